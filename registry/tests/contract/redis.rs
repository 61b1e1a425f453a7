//! The contract over `redis:`, on a real redis-server.

use std::path::Path;

use registry::RegistryUrl;

use crate::list::{Stand, contract};
use crate::server::Server;

async fn stand() -> Stand {
    let server = Server::start();
    Stand::new(RegistryUrl::parse(&server.url(), Path::new("")).unwrap(), true, server)
}

contract!(stand().await);
