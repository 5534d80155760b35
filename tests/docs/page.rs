//! A page of the documentation: its headings, its code and its prose apart from each other. Judges nothing.

use std::path::{Path, PathBuf};

/// One file.
pub(crate) struct Page {
    pub(crate) path: PathBuf,
    /// Everything outside of fenced blocks.
    pub(crate) prose: String,
    /// The fenced blocks.
    pub(crate) blocks: Vec<String>,
}

/// The project's folder.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

impl Page {
    /// Every page for people.
    pub(crate) fn all() -> Vec<Page> {
        let mut paths: Vec<PathBuf> =
            ["", "docs", "src/wire/keyauth", "src/wire/authgate", "src/wire/authly", "src/wire/wacht", "tests/vectors"]
                .iter()
                .flat_map(|folder| std::fs::read_dir(root().join(folder)).unwrap())
                .map(|entry| entry.unwrap().path())
                .filter(|path| path.extension().is_some_and(|extension| extension == "md"))
                .collect();
        paths.sort();
        paths.into_iter().map(Page::read).collect()
    }

    pub(crate) fn read(path: PathBuf) -> Page {
        let text = std::fs::read_to_string(&path).unwrap();
        let (mut prose, mut blocks, mut inside) = (String::new(), Vec::new(), None);
        for line in text.lines() {
            match (&mut inside, line.trim_start().starts_with("```")) {
                (None, true) => inside = Some(String::new()),
                (Some(_), true) => blocks.extend(inside.take()),
                (Some(block), false) => *block = format!("{block}{line}\n"),
                (None, false) => prose = format!("{prose}{line}\n"),
            }
        }
        assert!(inside.is_none(), "{}: a block without an end", path.display());
        Page { path, prose, blocks }
    }

    /// The texts between single backticks, on one line each.
    pub(crate) fn inline_code(&self) -> Vec<String> {
        let paragraphs = self.prose.split("\n\n");
        let code = paragraphs.flat_map(|paragraph| paragraph.split('`').skip(1).step_by(2));
        code.map(|code| code.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
    }

    /// What a link to each of its headings ends with.
    pub(crate) fn anchors(&self) -> Vec<String> {
        let mut anchors: Vec<String> = Vec::new();
        for heading in self.prose.lines().filter(|line| line.starts_with('#')) {
            let text = heading.trim_start_matches('#').trim().to_lowercase();
            let kept = text.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
            let anchor: String = kept.map(|c| if c == ' ' { '-' } else { c }).collect();
            let again = anchors.iter().filter(|other| **other == anchor).count();
            anchors.push(if again == 0 { anchor } else { format!("{anchor}-{again}") });
        }
        anchors
    }

    /// As people name it.
    pub(crate) fn name(&self) -> String {
        self.path.strip_prefix(root()).unwrap_or(&self.path).display().to_string()
    }
}
