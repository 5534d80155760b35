//! The `keystead` commands that a page shows, held to the program's own parser. Runs none of them.

use clap::error::ErrorKind;

use crate::page::Page;

/// A command as it is shown.
pub(crate) struct Shown {
    words: Vec<String>,
    /// To be pasted, so it must be whole; in running text a command may be named without what it needs.
    whole: bool,
}

/// All commands of a page.
pub(crate) fn all(page: &Page) -> Vec<Shown> {
    let mut shown = Vec::new();
    for line in page.blocks.iter().flat_map(|block| lines(block)) {
        shown.extend(commands(&line).into_iter().map(|words| Shown { words, whole: true }));
    }
    for code in page.inline_code().iter().filter(|code| code.starts_with("keystead ")) {
        shown.extend(commands(code).into_iter().map(|words| Shown { words, whole: false }));
    }
    shown
}

/// What is wrong with them.
pub(crate) fn misunderstood(page: &Page) -> Vec<String> {
    let mut wrong = Vec::new();
    for Shown { words, whole } in all(page) {
        let Err(error) = keystead::cli::understand(&words) else { continue };
        let fine = match error.kind() {
            ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => true,
            ErrorKind::MissingRequiredArgument
            | ErrorKind::MissingSubcommand
            | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => !whole,
            _ => false,
        };
        if !fine {
            wrong.push(format!("{}: {}\n{error}", page.name(), words.join(" ")));
        }
    }
    wrong
}

/// The lines of a block, those that end with a backslash put together.
fn lines(block: &str) -> Vec<String> {
    block.replace("\\\n", " ").lines().map(str::to_owned).collect()
}

/// The commands of a shell line whose program is keystead.
fn commands(line: &str) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    for mut words in split(line) {
        let settings = words.iter().take_while(|word| word.split_once('=').is_some_and(|(name, _)| is_name(name)));
        let program = settings.count();
        if words.get(program).is_some_and(|word| word == "keystead") {
            found.push(words.split_off(program));
        }
    }
    found
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_')
}

/// A shell line as its simple commands, each as its words: quotes taken off, redirections left out.
fn split(line: &str) -> Vec<Vec<String>> {
    let (mut commands, mut words, mut word) = (Vec::new(), Vec::new(), None::<String>);
    let mut quote = None;
    let mut skip = false;
    let end = |word: &mut Option<String>, words: &mut Vec<String>, skip: &mut bool| {
        // The word after `>` or `<` is a file.
        if let Some(word) = word.take()
            && !std::mem::take(skip)
        {
            words.push(word);
        }
    };
    for c in line.chars() {
        match (quote, c) {
            (Some(open), _) if c == open => quote = None,
            (Some(_), _) => word.get_or_insert_default().push(c),
            (None, '\'' | '"') => {
                word.get_or_insert_default();
                quote = Some(c);
            }
            (None, '#') if word.is_none() => break,
            (None, '|' | ';' | '&' | '(' | ')') => {
                end(&mut word, &mut words, &mut skip);
                commands.push(std::mem::take(&mut words));
            }
            (None, '>' | '<') => {
                end(&mut word, &mut words, &mut skip);
                skip = true;
            }
            (None, c) if c.is_whitespace() => end(&mut word, &mut words, &mut skip),
            (None, c) => word.get_or_insert_default().push(c),
        }
    }
    end(&mut word, &mut words, &mut skip);
    commands.push(words);
    commands
}

#[test]
fn shell_lines_are_split_as_a_shell_does() {
    let found = commands("X=1 keystead app set \"My App\" a='b c' > out.json  # a comment | keystead nothing");
    assert_eq!(found, [["keystead", "app", "set", "My App", "a=b c"]]);
    let found = commands("curl x | keystead import - && KEY=$(keystead license list --app demo)");
    assert_eq!(found, [vec!["keystead", "import", "-"], vec!["keystead", "license", "list", "--app", "demo"]]);
    assert!(commands("see keystead.db, or /usr/bin/keystead serve").is_empty());
}
