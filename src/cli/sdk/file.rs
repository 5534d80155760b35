//! Puts a changed file in the place of the old one: all of it or nothing, with the old one kept beside it. Knows
//! nothing of what is in it.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Larger files are no source.
const LARGEST: u64 = 16 << 20;

/// Reads a source file; says why not, for people.
pub(super) fn read(path: &Path) -> Result<Vec<u8>, String> {
    let metadata = fs::metadata(path).map_err(|e| e.to_string())?;
    if metadata.is_dir() {
        return Err("this is a folder; name the files in it".to_owned());
    }
    if metadata.len() > LARGEST {
        return Err("this is larger than 16 MiB; name the client's source files only".to_owned());
    }
    let bytes = fs::read(path).map_err(|e| e.to_string())?;
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        return Err("this is UTF-16; save it as UTF-8 and try again".to_owned());
    }
    if bytes.contains(&0) {
        return Err("this is no source text; patch the source and build the program again".to_owned());
    }
    Ok(bytes)
}

/// Keeps `old` as a copy beside the file and puts `new` in its place. The copy's path.
pub(super) fn replace(path: &Path, old: &[u8], new: &[u8]) -> io::Result<PathBuf> {
    // The file that a link leads to is changed, not the link.
    let path = &fs::canonicalize(path)?;
    let metadata = fs::metadata(path)?;
    let copy = keep(path, old, &metadata)?;
    let part = added(path, &format!(".{}.part", std::process::id()));
    let done = write(&part, new, &metadata).and_then(|()| fs::rename(&part, path));
    if let Err(error) = done {
        let _ = fs::remove_file(&part);
        let _ = fs::remove_file(&copy);
        return Err(error);
    }
    Ok(copy)
}

/// The file as it was before it was first changed, if it is there.
pub(super) fn first_copy(path: &Path) -> Option<PathBuf> {
    Some(added(path, ".orig")).filter(|copy| copy.is_file())
}

/// Writes the copy under the first name that is free: `.orig`, `.orig.1`, …
fn keep(path: &Path, old: &[u8], metadata: &Metadata) -> io::Result<PathBuf> {
    for number in 0u32.. {
        let copy = added(path, &if number == 0 { ".orig".to_owned() } else { format!(".orig.{number}") });
        match write(&copy, old, metadata) {
            Ok(()) => return Ok(copy),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    Err(io::Error::other("all names for a copy are taken"))
}

/// Writes a new file with the rights of the one it is made from.
fn write(path: &Path, bytes: &[u8], like: &Metadata) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).open(path)?;
    let done = fill(&mut file, bytes, like);
    if done.is_err() {
        let _ = fs::remove_file(path);
    }
    done
}

fn fill(file: &mut File, bytes: &[u8], like: &Metadata) -> io::Result<()> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::{MetadataExt, fchown};
        let made = file.metadata()?;
        if (made.uid(), made.gid()) != (like.uid(), like.gid()) {
            // Only root may give a file away; whoever else patches it becomes its owner.
            let _ = fchown(&*file, Some(like.uid()), Some(like.gid()));
        }
    }
    file.write_all(bytes)?;
    file.set_permissions(like.permissions())?;
    file.sync_all()
}

fn added(path: &Path, end: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(end);
    PathBuf::from(name)
}
