//! The contract over `memory:`.

use std::path::Path;

use registry::RegistryUrl;

use crate::list::{Stand, contract};

async fn stand() -> Stand {
    Stand::new(RegistryUrl::parse("memory:", Path::new("")).unwrap(), false, ())
}

contract!(stand().await);
