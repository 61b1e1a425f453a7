//! The operator's error pages: `error_<code>.html`, else `error_default.html`, else the built-in text.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::LocalReply;
use crate::config::MAX_ERROR_PAGE;

/// The statuses that have a page of their own: those of our replies, without 200.
const STATUSES: [u16; 14] = [400, 403, 405, 408, 413, 414, 417, 431, 500, 502, 503, 504, 505, 508];

/// Error pages, read at start and on reload, never while serving.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pages {
    by_status: Vec<(u16, Box<[u8]>)>,
    default: Option<Box<[u8]>>,
}

/// Why error pages cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PagesError {
    /// The folder is not one, or cannot be read.
    #[error("error pages: {} is not a folder we can read: {reason}; name a folder with error_<code>.html files, or leave the setting out", .folder.display())]
    Folder {
        /// Which.
        folder: PathBuf,
        /// What the system says.
        reason: io::Error,
    },
    /// A page cannot be read.
    #[error("error pages: {} cannot be read: {reason}; make it a readable file, or remove it", .page.display())]
    Page {
        /// Which.
        page: PathBuf,
        /// What the system says.
        reason: io::Error,
    },
    /// A page is over the limit.
    #[error("error pages: {} is larger than {MAX_ERROR_PAGE} octets; make it smaller: it is kept in memory", .page.display())]
    TooLarge {
        /// Which.
        page: PathBuf,
    },
}

/// What a reply's body is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Page<'a> {
    Html(&'a [u8]),
    Text(&'static str),
}

impl Pages {
    /// Reads the pages of a folder; without one, all pages are the built-in texts.
    ///
    /// # Errors
    /// The folder cannot be read, or a page in it cannot, or is larger than [`MAX_ERROR_PAGE`]. Absent pages are no error.
    pub fn load(folder: Option<&Path>) -> Result<Self, PagesError> {
        let Some(folder) = folder else { return Ok(Self::default()) };
        let check = std::fs::read_dir(folder).map(drop);
        check.map_err(|reason| PagesError::Folder { folder: folder.to_owned(), reason })?;
        let mut pages = Self { by_status: Vec::new(), default: read(folder.join("error_default.html"))? };
        for status in STATUSES {
            if let Some(page) = read(folder.join(format!("error_{status}.html")))? {
                pages.by_status.push((status, page));
            }
        }
        Ok(pages)
    }

    pub(super) fn page(&self, reply: LocalReply) -> Page<'_> {
        let status = reply.status();
        if status < 400 {
            return Page::Text(reply.message());
        }
        let own = self.by_status.iter().find(|(of, _)| *of == status).map(|(_, page)| page);
        own.or(self.default.as_ref()).map_or(Page::Text(reply.message()), |page| Page::Html(page))
    }
}

fn read(page: PathBuf) -> Result<Option<Box<[u8]>>, PagesError> {
    // Asked before it is opened: opening a pipe would wait for its writer.
    match std::fs::metadata(&page) {
        Ok(found) if found.is_file() => {}
        Ok(_) => {
            let reason = io::Error::new(io::ErrorKind::InvalidInput, "not a regular file");
            return Err(PagesError::Page { page, reason });
        }
        Err(reason) if reason.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(reason) => return Err(PagesError::Page { page, reason }),
    }
    let mut text = Vec::new();
    let limit = MAX_ERROR_PAGE as u64 + 1;
    let result = File::open(&page).and_then(|file| file.take(limit).read_to_end(&mut text));
    match result {
        Ok(length) if length > MAX_ERROR_PAGE => Err(PagesError::TooLarge { page }),
        Ok(_) => Ok(Some(text.into())),
        Err(reason) => Err(PagesError::Page { page, reason }),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_page_of_the_status_wins_over_the_default_page() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("error_502.html"), "<p>gone</p>").unwrap();
        fs::write(folder.path().join("error_default.html"), "<p>sorry</p>").unwrap();

        let pages = Pages::load(Some(folder.path())).unwrap();

        assert_eq!(pages.page(LocalReply::NoEndpoint), Page::Html(b"<p>gone</p>"));
        assert_eq!(pages.page(LocalReply::FrontendNotFound), Page::Html(b"<p>sorry</p>"));
        assert_eq!(pages.page(LocalReply::Pong), Page::Text("ok"));
    }

    #[test]
    fn without_pages_the_text_is_built_in() {
        let folder = tempfile::tempdir().unwrap();

        for pages in [Pages::load(None).unwrap(), Pages::load(Some(folder.path())).unwrap()] {
            assert_eq!(pages.page(LocalReply::FrontendNotFound), Page::Text("frontend not found"));
        }
    }

    #[test]
    fn every_error_status_of_ours_may_have_a_page() {
        for reply in LocalReply::EACH {
            assert!(reply.status() == 200 || STATUSES.contains(&reply.status()), "{reply:?}");
        }
    }

    #[test]
    fn what_cannot_be_a_page_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let error = Pages::load(Some(&folder.path().join("absent"))).unwrap_err().to_string();
        assert!(error.contains("absent is not a folder we can read"), "{error}");

        fs::create_dir(folder.path().join("error_400.html")).unwrap();
        let error = Pages::load(Some(folder.path())).unwrap_err().to_string();
        assert!(error.contains("error_400.html cannot be read: not a regular file"), "{error}");

        fs::remove_dir(folder.path().join("error_400.html")).unwrap();
        fs::write(folder.path().join("error_400.html"), vec![b' '; MAX_ERROR_PAGE + 1]).unwrap();
        let error = Pages::load(Some(folder.path())).unwrap_err().to_string();
        assert!(error.contains("error_400.html is larger than 262144 octets"), "{error}");
    }
}
