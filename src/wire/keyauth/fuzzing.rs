//! A door for fuzzing and its replay: the 1.0 envelope by itself. Not part of a built server; adds no behaviour.

use super::form::Form;
use super::versions::Envelope;

/// What one exchange is enciphered with.
pub struct Enveloped(Envelope);

impl Enveloped {
    /// From the two texts of an exchange.
    pub fn new(text: &str, init_iv: &str) -> Enveloped {
        Enveloped(Envelope::new(text, init_iv))
    }

    /// As an answer is sent.
    pub fn close(&self, body: &[u8]) -> String {
        self.0.close(body)
    }

    /// As a request is read.
    pub fn open(&self, form: &Form) -> Result<Form, &'static str> {
        self.0.open(form)
    }
}
