//! The links of a page that lead to a file that is not there, or to a heading that it does not have. Asks no network.

use crate::page::Page;

/// What is wrong with them.
pub(crate) fn broken(page: &Page) -> Vec<String> {
    let mut wrong = Vec::new();
    for target in page.prose.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(target, _)| target) {
        if target.contains("://") || target.starts_with("mailto:") {
            continue;
        }
        let (file, anchor) = target.split_once('#').map_or((target, None), |(file, anchor)| (file, Some(anchor)));
        let path = if file.is_empty() { page.path.clone() } else { page.path.parent().unwrap().join(file) };
        if !path.exists() {
            wrong.push(format!("{}: {target}: there is no such file", page.name()));
        } else if let Some(anchor) = anchor
            && !Page::read(path).anchors().iter().any(|heading| heading == anchor)
        {
            wrong.push(format!("{}: {target}: there is no such heading", page.name()));
        }
    }
    wrong
}
