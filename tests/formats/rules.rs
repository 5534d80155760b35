//! No rule of the contracts without a test whose name carries its number (`g13_username_taken_is_422`), and no number
//! that no contract has. Reads the sources; runs nothing.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;
use std::path::Path;

/// The rules that must hold, by the letter of their contract: Authgate, Authly, Wacht.
const RULES: &[(char, &[RangeInclusive<u32>])] = &[
    ('g', &[1..=7, 10..=21, 30..=38]),
    ('l', &[1..=5, 10..=19, 20..=27, 30..=38]),
    ('w', &[1..=6, 10..=19, 20..=29, 30..=34, 40..=44]),
];

/// Where tests may be, and the letters of the rules that they may show.
const FOLDERS: &[(&str, &str)] = &[("authgate", "g"), ("authly", "l"), ("wacht", "w"), ("formats", "glw")];

type Rule = (char, u32);

#[test]
fn every_rule_has_a_test_and_every_number_a_rule() {
    let rules: BTreeSet<Rule> = RULES
        .iter()
        .flat_map(|(letter, ranges)| ranges.iter().cloned().flatten().map(move |number| (*letter, number)))
        .collect();
    let (mut shown, mut wrong) = (BTreeSet::new(), Vec::new());
    for (folder, letters) in FOLDERS {
        for (file, text) in sources(folder) {
            for name in tests(&text) {
                for rule in numbers(&name) {
                    if rules.contains(&rule) && letters.contains(rule.0) {
                        shown.insert(rule);
                    } else {
                        wrong.push(format!("{file}: {name}: no rule {}{} belongs here", rule.0, rule.1));
                    }
                }
            }
        }
    }
    wrong.extend(rules.difference(&shown).map(|(letter, number)| format!("no test shows {letter}{number}")));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_number_counts_in_the_name_of_a_test_only() {
    let text = "
        // fn g1_in_a_comment() {}
        /// g2_in_words
        fn g3_a_helper() {}
        #[test]
        // fn g4_commented_out() {
        fn g5_g6_two_of_them() {
        }
        #[test]
        #[ignore = \"g7\"]
        fn g8_is_left_out() {}
        #[test]
        fn gone_g9() {}
        #[test]
        fn l16w_is_none() {}
    ";
    let found: Vec<Rule> = tests(text).iter().flat_map(|name| numbers(name)).collect();
    assert_eq!(found, [('g', 5), ('g', 6)]);
    assert_eq!(numbers("w30_w31_w5b_one_more"), [('w', 30), ('w', 31)]);
}

/// The files of a folder of tests.
fn sources(folder: &str) -> Vec<(String, String)> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(folder);
    let entries = std::fs::read_dir(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let mut files = Vec::new();
    for path in entries.map(|entry| entry.expect("an entry").path()) {
        if path.extension().is_some_and(|extension| extension == "rs") {
            let name = format!("tests/{folder}/{}", path.file_name().unwrap_or_default().to_string_lossy());
            files.push((name, std::fs::read_to_string(&path).expect("UTF-8")));
        }
    }
    files
}

/// The names of the tests that are run.
fn tests(text: &str) -> Vec<String> {
    let (mut found, mut is_test, mut is_ignored) = (Vec::new(), false, false);
    for line in text.lines().map(str::trim) {
        if line.starts_with("//") || line.is_empty() {
            continue;
        }
        if line.starts_with("#[") {
            is_test |= line.starts_with("#[test]");
            is_ignored |= line.starts_with("#[ignore");
            continue;
        }
        if let Some((name, _)) = line.strip_prefix("fn ").and_then(|rest| rest.split_once('('))
            && is_test
            && !is_ignored
        {
            found.push(name.to_owned());
        }
        (is_test, is_ignored) = (false, false);
    }
    found
}

/// The numbers with which a name begins.
fn numbers(name: &str) -> Vec<Rule> {
    let number = |part: &str| {
        let letter = part.chars().next().filter(|letter| RULES.iter().any(|(known, _)| known == letter))?;
        Some((letter, part[1..].parse().ok()?))
    };
    name.split('_').map_while(number).collect()
}
