//! The AWS SDK for Rust, called by `walk.py`: a line of JSON in, one out; `client.py` describes
//! them.

mod members;
mod operations;

use std::collections::HashMap;
use std::error::Error;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use aws_sdk_kms::config::interceptors::BeforeTransmitInterceptorContextRef;
use aws_sdk_kms::config::{
    BehaviorVersion, ConfigBag, Credentials, Intercept, Region, RuntimeComponents,
};
use aws_sdk_kms::{Client, Config};
use serde_json::{Value, json};

use members::Members;

/// Counts how often a call is sent.
#[derive(Clone, Debug, Default)]
struct Attempts(Arc<AtomicU32>);

impl Intercept for Attempts {
    fn name(&self) -> &'static str {
        "Attempts"
    }

    fn read_before_attempt(
        &self,
        _: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), Box<dyn Error + Send + Sync>> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }
}

/// A client for the endpoint, Region and access key that a line names.
fn client(asked: &Value, attempts: &Attempts) -> Client {
    let text = |name: &str| asked[name].as_str().unwrap_or_default().to_owned();
    let token = Some(text("session_token")).filter(|token| !token.is_empty());
    let (id, secret) = (text("access_key_id"), text("secret_access_key"));
    let config = Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(text("region")))
        .endpoint_url(text("endpoint"))
        .credentials_provider(Credentials::new(id, secret, token, None, "walk"))
        .interceptor(attempts.clone());
    Client::from_conf(config.build())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let hello = json!({
        "client": format!("aws-sdk-kms {}", aws_sdk_kms::meta::PKG_VERSION),
        "unmodelled": "Unhandled",
        "tries": 3,
        "corrects_clock": true,
    });
    println!("{hello}");
    let attempts = Attempts::default();
    let mut clients = HashMap::new();
    for line in io::stdin().lines() {
        let mut asked: Value = serde_json::from_str(&line?)?;
        let members = Members::new(asked["members"].take());
        let operation = asked["operation"].take();
        let client = clients.entry(asked.to_string()).or_insert_with(|| client(&asked, &attempts));
        attempts.0.store(0, Ordering::Relaxed);
        let mut told =
            operations::call(client, operation.as_str().unwrap_or_default(), members).await;
        told["attempts"] = attempts.0.load(Ordering::Relaxed).into();
        println!("{told}");
    }
    Ok(())
}
