//! The table of endpoints, and that it is what is served.

use keystead::wire::wacht::{ENDPOINTS, FAMILY};

#[test]
fn the_familys_paths_are_the_endpoints() {
    let paths: Vec<&str> = FAMILY.paths.iter().map(|(path, _)| *path).collect();
    let all: Vec<&str> = ENDPOINTS.iter().flat_map(|endpoint| endpoint.paths).collect();
    assert_eq!(paths, all);
    for endpoint in ENDPOINTS {
        let [bare, placed] = endpoint.paths;
        assert_eq!(placed, format!("/wacht/{{}}{bare}"));
        assert!(!endpoint.name.is_empty() && !endpoint.help.is_empty());
        for (n, field) in endpoint.fields.iter().enumerate() {
            assert!(!field.help.is_empty(), "{bare} {}", field.name);
            assert!(!endpoint.fields[..n].iter().any(|other| other.name == field.name), "{bare} {}", field.name);
        }
    }
}

#[test]
fn the_readme_names_every_endpoint_and_field() {
    let readme = include_str!("../../src/wire/wacht/README.md");
    for endpoint in ENDPOINTS {
        assert!(readme.contains(&format!("{}`", endpoint.paths[0])), "{}", endpoint.paths[0]);
        for field in endpoint.fields {
            assert!(readme.contains(&format!("`{}`", field.name)), "{}", field.name);
        }
    }
}
