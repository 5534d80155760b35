//! Whether a request's head says twice how long its body is: by `content-length` and by `transfer-encoding`. Two readers
//! may believe different ones, so that what is one request here is two to a proxy in front. hyper keeps only the second,
//! so the bytes are looked at as they pass. Reads nothing else of them, and refuses nothing itself.

const LENGTH: &[u8] = b"content-length:";
const CODING: &[u8] = b"transfer-encoding:";

/// What has been seen of one head.
#[derive(Default)]
pub(super) struct Lengths {
    /// The line that is being read, as far as it decides anything.
    line: [u8; CODING.len()],
    /// How long that line is; no longer counted beyond [`Lengths::line`].
    read: u8,
    /// A line has been read. The empty ones before are no head.
    begun: bool,
    over: bool,
    length: bool,
    coding: bool,
}

impl Lengths {
    /// Both have been seen.
    pub(super) fn are_two(&self) -> bool {
        self.length && self.coding
    }

    /// More bytes of the head, and perhaps what follows it.
    pub(super) fn pass(&mut self, mut bytes: &[u8]) {
        while !self.over && !bytes.is_empty() {
            let end = memchr::memchr(b'\n', bytes);
            let piece = &bytes[..end.unwrap_or(bytes.len())];
            if let (0, Some(_)) = (self.read, end) {
                self.line(piece);
            } else {
                let begun = usize::from(self.read);
                let taken = piece.len().min(self.line.len() - begun);
                self.line[begun..][..taken].copy_from_slice(&piece[..taken]);
                self.read += taken as u8;
                if end.is_none() {
                    return;
                }
                let (line, read) = (self.line, usize::from(self.read));
                self.line(&line[..read]);
            }
            self.read = 0;
            bytes = &bytes[piece.len() + 1..];
        }
    }

    /// A whole line, or its beginning.
    fn line(&mut self, line: &[u8]) {
        let begins = |name: &[u8]| line.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name));
        match line {
            b"" | b"\r" => self.over = self.begun,
            [b'c' | b'C', ..] => self.length |= begins(LENGTH),
            [b't' | b'T', ..] => self.coding |= begins(CODING),
            _ => {}
        }
        self.begun |= !self.over && !matches!(line, b"" | b"\r");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_are_found_in_one_head_however_it_arrives() {
        for (head, two) in [
            ("POST / HTTP/1.1\r\nContent-Length: 5\r\ntransfer-encoding: chunked\r\n\r\n", true),
            ("POST / HTTP/1.1\r\nTRANSFER-ENCODING:chunked\r\nhost: x\r\ncontent-length:5\r\n\r\n", true),
            ("\r\n\r\nPOST / HTTP/1.1\ncontent-length: 5\ntransfer-encoding: chunked\n\n", true),
            ("POST / HTTP/1.1\r\ncontent-length: 5\r\n\r\ntransfer-encoding: chunked\r\n\r\n", false),
            ("POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\ncontent-length: 5\r\n", false),
            ("POST / HTTP/1.1\r\nx: content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n", false),
            ("POST / HTTP/1.1\r\ncontent-lengths: 5\r\ntransfer-encoding: chunked\r\n\r\n", false),
        ] {
            for size in [1, 2, 7, 16, head.len()] {
                let mut lengths = Lengths::default();
                head.as_bytes().chunks(size).for_each(|piece| lengths.pass(piece));
                assert_eq!(lengths.are_two(), two, "{head:?} in pieces of {size}");
            }
        }
    }
}
