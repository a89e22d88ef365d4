//! The layers around an axum application: handlers refuse with `Err(fault)`, everything else is caught.
//!
//! ```text
//! cargo run --example axum_stack --no-default-features --features axum
//! curl -i http://127.0.0.1:3000/pictures/7
//! ```

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "an example talks to its reader")]

use axum::{Json, Router, extract::Path, routing::get};
use serde_json::{Value, json};
use std::{error::Error, sync::Arc};
use tollgate::{Catalog, Fault, NormalizeLayer};

/// A handler refuses in one line.
async fn picture(Path(id): Path<u32>) -> Result<Json<Value>, Fault> {
    match id {
        1 => Ok(Json(json!({ "id": id, "url": "https://pictures.example/1.png" }))),
        2 => Err(Fault::Forbidden),
        3 => Err(Fault::violation("id", "id must be a picture of yours")),
        4 => panic!("a defect"),
        _ => Err(Fault::TaskNotFound),
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let catalog = Arc::new(Catalog::preset("eggapi")?);
    let application = Router::new()
        .route("/pictures/{id}", get(picture))
        // The last layer is the outermost: axum's own 404 and 405 pass it too.
        .layer(NormalizeLayer::new(catalog));

    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:3000".to_owned());
    let listener = tokio::net::TcpListener::bind(&address).await?;
    println!("listening on http://{}", listener.local_addr()?);
    axum::serve(listener, application).await?;
    Ok(())
}
