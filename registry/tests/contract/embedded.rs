//! The contract over `embedded:`.

use registry::RegistryUrl;

use crate::list::{Stand, contract};

async fn stand() -> Stand {
    let folder = tempfile::tempdir().unwrap();
    Stand::new(RegistryUrl::parse("embedded:", folder.path()).unwrap(), true, folder)
}

contract!(stand().await);
