//! What it costs to ask whether a call is allowed, in CPU time of one thread.
//!
//! ```sh
//! cargo bench --bench authorize
//! ```
//!
//! `default` is a key whose policy leaves it to the account, and a user who may do everything;
//! `conditions` a user with ten statements, each with a condition on the encryption context; `grant`
//! one who is allowed by one of a thousand grants only. Finding the key by its id is part of it.

mod measurement;

use std::hint::black_box;
use std::sync::Arc;

use criterion::{Criterion, criterion_group, criterion_main};
use keymill::keystore::{
    AccessKey, CreateKey, CreatePrincipal, GrantConstraints, GrantTerms, Keystore, OpenOptions,
    ServedKeystore,
};
use keymill::pipeline::authorize::{Caller, KeyUse, Via, access};
use keymill::secret::Secret;
use keymill::spec::{Action, EncryptionContext, KeyArn, KeyId, Operation};
use measurement::ThreadTime;
use serde_json::json;

const CASES: [&str; 3] = ["default", "conditions", "grant"];

/// The policy of the user of a case.
fn policy(case: &str) -> Option<String> {
    let statement = |effect: &str, value: String| {
        json!({"Effect": effect, "Action": "kms:*", "Resource": "*",
            "Condition": {"StringEquals": {"kms:EncryptionContext:line": value}}})
    };
    let statements = match case {
        "default" => return None,
        "conditions" => (0..9)
            .map(|at| statement("Deny", format!("no-{at}")))
            .chain([statement("Allow", "7".to_owned())])
            .collect(),
        _ => vec![statement("Allow", "none".to_owned())],
    };
    Some(json!({"Statement": statements}).to_string())
}

fn grant(at: usize) -> GrantTerms {
    GrantTerms {
        name: None,
        grantee: format!("arn:aws:iam::000000000000:user/{}", CASES.get(at).unwrap_or(&"x")),
        retiring: None,
        operations: [Action::Call(Operation::Decrypt)].into_iter().collect(),
        constraints: GrantConstraints {
            equals: None,
            subset: Some([("n".to_owned(), at.to_string())].into()).filter(|_| at >= CASES.len()),
        },
    }
}

fn allowed(criterion: &mut Criterion<ThreadTime>) {
    let home = tempfile::tempdir().expect("a folder");
    let mut keystore = Keystore::init(home.path(), OpenOptions::default()).expect("a keystore");
    let scope = keystore.scope().clone();
    let arn = keystore.create_key(&CreateKey::default()).expect("a key").arn;
    let arn: KeyArn = arn.parse().expect("an ARN");
    for at in 2..1002 {
        keystore.create_grant(&KeyId::KeyArn(arn.clone()), grant(at)).expect("a grant");
    }
    for case in CASES {
        let secret = Secret::new("secret".to_owned());
        let wanted = CreatePrincipal {
            name: case.to_owned(),
            access_key: Some(AccessKey { id: case.to_uppercase(), secret }),
            policy: policy(case),
            ..CreatePrincipal::default()
        };
        keystore.create_principal(wanted).expect("a user");
    }
    let keystore = ServedKeystore::new(keystore).expect("a keystore");
    let snapshot = keystore.snapshot();
    let context = EncryptionContext::from_pairs([("Line", "7")]).expect("a context");
    let id = arn.id.to_string();
    let mut group = criterion.benchmark_group("authorize");
    for case in CASES {
        let principal = snapshot.principal(&case.to_uppercase()).expect("a user");
        let caller = Caller::new(Arc::clone(principal), scope.clone());
        let address = "127.0.0.1".parse().expect("an address");
        let wanted = KeyUse {
            action: Action::Call(Operation::Decrypt),
            caller: &caller,
            via: Via { address, is_encrypted: false, user_agent: None },
            key_id: &id,
            spec: None,
            context: Some(&context),
            grant_tokens: &[],
            makes: None,
            members: &[],
        };
        group.bench_function(case, |bencher| {
            bencher.iter(|| black_box(access(&snapshot, black_box(&wanted))).is_ok());
        });
        assert!(access(&snapshot, &wanted).is_ok(), "{case}");
    }
    group.finish();
}

criterion_group! {
    name = benches;
    config = measurement::criterion();
    targets = allowed
}
criterion_main!(benches);
