//! Who may do what with a key: the table in `data/authorize.txt` row by row, the laws that every
//! policy obeys, and random policies against a slow model that shares no code with the evaluator.

#![expect(clippy::unwrap_used, reason = "what a test cannot do without ends it")]
#![expect(
    unreachable_pub,
    reason = "a test has no outside: `pub` is what a file offers the others"
)]

mod model;
mod stage;
mod table;

use proptest::prelude::*;
use serde_json::{Value, json};

use keymill::keystore::policy::{Policy, decide_together};
use model::{Call, Callers, any_call, any_statements};

/// What the evaluator says of a call, and what the model says.
fn both(by_key: &[Value], to_principal: &[Value], call: &Call) -> (bool, bool) {
    let document = |statements: &[Value]| json!({"Statement": statements}).to_string();
    let key = Policy::of_key(&document(by_key)).unwrap();
    let own = Policy::of_principal(&document(to_principal)).unwrap();
    let (who, action) = (call.who.who(), call.action);
    let by = key.evaluate(&who, action, model::KEY, call);
    let to = own.evaluate(&who, action, model::KEY, call);
    let found = decide_together(by, to, call.who != Callers::Foreign).is_ok();
    (found, model::allows(by_key, to_principal, call))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(6000))]

    #[test]
    fn the_evaluator_agrees_with_a_slow_model(
        by_key in any_statements(true),
        to_principal in any_statements(false),
        call in any_call(),
    ) {
        let (found, expected) = both(&by_key, &to_principal, &call);
        prop_assert_eq!(found, expected);
    }

    #[test]
    fn order_does_not_matter_and_one_more_deny_never_allows(
        by_key in any_statements(true),
        to_principal in any_statements(false),
        extra in any_statements(true),
        call in any_call(),
    ) {
        let (found, _) = both(&by_key, &to_principal, &call);
        let turned: Vec<_> = by_key.iter().rev().cloned().collect();
        prop_assert_eq!(both(&turned, &to_principal, &call).0, found);
        let denies = extra.into_iter().filter(|statement| statement["Effect"] == "Deny");
        let more: Vec<_> = denies.chain(by_key).collect();
        prop_assert!(found || !both(&more, &to_principal, &call).0);
    }

    #[test]
    fn what_is_not_understood_is_never_evaluated(
        by_key in any_statements(true),
        at in any::<prop::sample::Index>(),
        operator in "[A-Z][a-zA-Z]{0,20}",
    ) {
        let known = |name: &str| {
            let names = ["String", "Arn", "Numeric", "Date", "Bool", "IpAddress", "Null", "Not"];
            names.iter().any(|known| name.starts_with(known))
        };
        prop_assume!(!known(&operator));
        let mut statements = by_key;
        let at = at.index(statements.len());
        statements[at]["Condition"] = json!({&operator: {"kms:KeySpec": "x"}});
        let document = json!({"Statement": statements}).to_string();
        prop_assert!(Policy::of_key(&document).is_err());
    }
}
