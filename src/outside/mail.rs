//! Sends mail through the operator's mail server, one at a time, on the thread that calls: never on one that answers
//! clients. Keeps no queue, and never shows the password, not even when the mail server repeats it.

use std::error::Error as _;
use std::io;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use lettre::address::AddressError;
use lettre::message::{Mailbox, Message, header::ContentType};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, Tls, TlsParameters};
use lettre::transport::smtp::{self, SmtpTransport};
use lettre::{Address, Transport};

use crate::config::{MailTls, Smtp};
use crate::domain::outbox::Mail;

/// How long each step with the mail server may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Sends mails through one mail server. Cheap to clone.
#[derive(Clone)]
pub struct Mailer {
    transport: SmtpTransport,
    from: Mailbox,
    smtp: Smtp,
}

/// Why no mail can be sent with these settings.
#[derive(Debug, thiserror::Error)]
pub enum MailerError {
    /// The sender is no address.
    #[error("smtp-from takes an address like keys@example.com or \"Example Keys <keys@example.com>\": {0}")]
    From(AddressError),
    /// The file with certificates does not hold any that can be used.
    #[error("smtp-ca takes a file with certificates, as PEM text: {0}")]
    Ca(String),
}

/// Why a mail was not sent. The texts say what to look at.
#[derive(Debug, thiserror::Error)]
pub enum MailError {
    /// It can never be sent: the address is none.
    #[error("{0:?} is no mail address: {1}")]
    Address(String, AddressError),
    /// It can never be sent: the message cannot be made.
    #[error("the mail cannot be written: {0}")]
    Message(String),
    /// The mail server will not take it, now or later.
    #[error("{server} refuses the mail: {reason}; check the address, and that {server} lets smtp-from send there")]
    Refused {
        /// The mail server.
        server: String,
        /// What it said.
        reason: String,
    },
    /// The mail server is not ours to use as things stand; later it may be.
    #[error("{server} refuses the login: {reason}; check smtp-user and the password")]
    Login {
        /// The mail server.
        server: String,
        /// What it said.
        reason: String,
    },
    /// It did not work this time.
    #[error("{server} did not take the mail: {reason}; {advice}")]
    Failed {
        /// The mail server.
        server: String,
        /// What happened.
        reason: String,
        /// What to look at.
        advice: &'static str,
    },
}

impl MailError {
    /// Whether trying this mail again is of no use.
    pub fn is_permanent(&self) -> bool {
        match self {
            MailError::Address(..) | MailError::Message(_) | MailError::Refused { .. } => true,
            MailError::Login { .. } | MailError::Failed { .. } => false,
        }
    }
}

impl Mailer {
    /// Uses this mail server. Nothing is sent, and nobody is asked.
    pub fn new(smtp: &Smtp) -> Result<Mailer, MailerError> {
        let from: Mailbox = smtp.from.parse().map_err(MailerError::From)?;
        let tls = match smtp.tls {
            MailTls::StartTls => Tls::Required(trusted(smtp)?),
            MailTls::Tls => Tls::Wrapper(trusted(smtp)?),
            MailTls::None | MailTls::Insecure => Tls::None,
        };
        let mut builder = SmtpTransport::builder_dangerous(&smtp.host).port(smtp.port).tls(tls).timeout(Some(PATIENCE));
        if let Some((user, password)) = &smtp.login {
            builder = builder.credentials(Credentials::new(user.clone(), password.reveal().to_owned()));
        }
        Ok(Mailer { transport: builder.build(), from, smtp: smtp.clone() })
    }

    /// Sends a mail; waits until the mail server has taken it.
    pub fn send(&self, mail: &Mail) -> Result<(), MailError> {
        let to: Address = mail.to.parse().map_err(|error| MailError::Address(mail.to.clone(), error))?;
        let id = format!("<{:032x}@{}>", rand::random::<u128>(), self.from.email.domain());
        let message = Message::builder()
            .from(self.from.clone())
            .to(Mailbox::new(None, to))
            .subject(&mail.subject)
            .message_id(Some(id))
            .header(ContentType::TEXT_PLAIN)
            .body(mail.text.clone())
            .map_err(|error| MailError::Message(error.to_string()))?;
        self.transport.send(&message).map(drop).map_err(|error| self.failure(&error))
    }

    /// Talks to the mail server as for a mail, with encryption and login, and sends none.
    pub fn probe(&self) -> Result<(), MailError> {
        match self.transport.test_connection() {
            Ok(true) => Ok(()),
            Ok(false) => {
                let server = format!("{}:{}", self.smtp.host, self.smtp.port);
                let reason = "it ended the conversation".to_owned();
                Err(MailError::Failed { server, reason, advice: "see its log, or try again later" })
            }
            Err(error) => Err(self.failure(&error)),
        }
    }

    fn failure(&self, error: &smtp::Error) -> MailError {
        let server = format!("{}:{}", self.smtp.host, self.smtp.port);
        let reason = self.without_password(&reason(error));
        match error.status().map(|code| code.to_string()).as_deref() {
            Some("530" | "534" | "535" | "538") => MailError::Login { server, reason },
            _ if error.is_permanent() => MailError::Refused { server, reason },
            _ => MailError::Failed { server, reason, advice: advice(error, self.smtp.tls) },
        }
    }

    /// A mail server may repeat what it was sent.
    fn without_password(&self, text: &str) -> String {
        let Some((user, password)) = &self.smtp.login else { return text.to_owned() };
        let password = password.reveal();
        let sent = [password.to_owned(), STANDARD.encode(password), STANDARD.encode(format!("\0{user}\0{password}"))];
        sent.iter().fold(text.to_owned(), |text, sent| text.replace(sent.as_str(), "(hidden)"))
    }
}

fn trusted(smtp: &Smtp) -> Result<TlsParameters, MailerError> {
    let mut builder = TlsParameters::builder(smtp.host.clone());
    if let Some(pem) = &smtp.ca {
        if !pem.contains("-----BEGIN CERTIFICATE-----") {
            return Err(MailerError::Ca("there is none in it".to_owned()));
        }
        let certificates = Certificate::from_pem(pem.as_bytes()).map_err(|error| MailerError::Ca(reason(&error)))?;
        builder = builder.add_root_certificate(certificates);
    }
    builder.build().map_err(|error| MailerError::Ca(reason(&error)))
}

/// The innermost cause is the one that says something.
fn reason(error: &smtp::Error) -> String {
    let mut text = error.to_string();
    let mut below = error.source();
    while let Some(cause) = below {
        text = cause.to_string();
        below = cause.source();
    }
    match error.status() {
        Some(code) => format!("{code} {text}"),
        None => text,
    }
}

/// What the operator should look at.
fn advice(error: &smtp::Error, tls: MailTls) -> &'static str {
    let cause = error.source().and_then(|cause| cause.downcast_ref::<io::Error>());
    let broken = cause.and_then(|cause| cause.get_ref()?.downcast_ref::<rustls::Error>());
    match (broken, cause.map(io::Error::kind)) {
        (Some(rustls::Error::InvalidCertificate(_)), _) => {
            "check that smtp-host is the name in its certificate; if the certificate is of your own making, name it \
             with smtp-ca"
        }
        (Some(_), _) if tls == MailTls::Tls => "check smtp-port: this port may want smtp-tls starttls",
        (_, Some(io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock)) if tls != MailTls::Tls => {
            "check smtp-host, smtp-port and the firewall; a port that says nothing may want smtp-tls tls"
        }
        _ if error.is_client() && tls == MailTls::StartTls => {
            "check smtp-port and smtp-tls: the mail server must offer STARTTLS, and a login that we know"
        }
        _ if error.is_client() => "check smtp-port, smtp-tls and smtp-user: the mail server must offer a login",
        _ if error.is_transient() => "try again later",
        _ => "check smtp-host, smtp-port and the firewall",
    }
}
