//! The least that a hyper server can do: one constant answer, whatever is asked. The "1.0" of every ratio.
//!
//! Must not be tuned beyond what one would plainly write, and must not look at the request: it is the ceiling.

use std::convert::Infallible;
use std::error::Error;

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

/// 93 bytes, the length of a real answer to `check`, with a signature header of a real one's length.
const BODY: &[u8] = br#"{"success":true,"message":"Session is validated.","nonce":"00112233445566778899aabbccddeeff"}"#;
const SIGNATURE: &str = "ee3e59e209da3d474e64fc8eae3b2bf295d7ddc553573c133c42d6a3c94b21a6";

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    eprintln!("listening on http://{}", listener.local_addr()?);
    loop {
        let (stream, _) = listener.accept().await?;
        // Keystead sends its small answers at once too.
        stream.set_nodelay(true)?;
        tokio::spawn(async move {
            // A client that goes away is the end of its connection and nothing else.
            let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service_fn(answer)).await;
        });
    }
}

async fn answer(_: Request<hyper::body::Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let mut response = Response::new(Full::new(Bytes::from_static(BODY)));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json; charset=utf-8"));
    headers.insert(HeaderName::from_static("signature"), HeaderValue::from_static(SIGNATURE));
    Ok(response)
}
