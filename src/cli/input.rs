//! What commands ask a person or read from stdin: passwords, which never stand among the arguments, where every process
//! of the machine could read them, and confirmations. Decides no rule.

use std::io::{self, BufRead, IsTerminal, Read, Write};

use crate::domain::secret::MAX_PASSWORD;

use super::Exit;

/// Whether a person sits there who can be asked.
pub(super) fn is_terminal() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// A password from stdin: all of it, without the end of its one line.
pub(super) fn password_from_stdin() -> Result<String, Exit> {
    let mut text = String::new();
    let most = MAX_PASSWORD as u64 + 3;
    io::stdin().lock().take(most).read_to_string(&mut text).map_err(|e| match e.kind() {
        io::ErrorKind::InvalidData => Exit::usage("the password on stdin is not UTF-8 text"),
        _ => Exit::failure(format!("cannot read the password from stdin: {e}")),
    })?;
    let password = text.strip_suffix('\n').map_or(text.as_str(), |line| line.strip_suffix('\r').unwrap_or(line));
    if password.contains(['\n', '\0']) {
        return Err(Exit::usage("stdin holds more than one line; a password is one line"));
    }
    Ok(password.to_owned())
}

/// A password typed twice and not shown; from stdin when nobody sits there.
pub(super) fn password() -> Result<String, Exit> {
    if !is_terminal() {
        return password_from_stdin();
    }
    let ask = |prompt: &str| {
        rpassword::prompt_password(prompt).map_err(|e| Exit::failure(format!("cannot read the password: {e}")))
    };
    let password = ask("New password: ")?;
    if ask("Once more: ")? == password {
        Ok(password)
    } else {
        Err(Exit::failure("the two passwords differ; nothing was changed"))
    }
}

/// Asks for this word as a confirmation. Whether it was typed.
pub(super) fn confirm(question: &str, word: &str) -> Result<bool, Exit> {
    write!(io::stderr().lock(), "{question} ")?;
    io::stderr().flush()?;
    let mut line = String::new();
    io::stdin().lock().read_line(&mut line)?;
    Ok(line.trim() == word)
}
