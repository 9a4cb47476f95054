//! A slow model of policies: it reads the JSON anew for every question, and follows the words of the
//! IAM user guide one after the other.

use std::collections::BTreeMap;

use keymill::keystore::policy::{ConditionKey, Fact, Facts, Who};
use proptest::prelude::*;
use serde_json::{Value, json};

/// The key that all calls are about; it belongs to the first account.
pub const KEY: &str = "arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab";

/// Who calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Callers {
    Alice,
    Root,
    Foreign,
}

impl Callers {
    pub const fn who(self) -> Who<'static> {
        let (arn, account) = match self {
            Self::Alice => ("arn:aws:iam::111122223333:user/alice", "111122223333"),
            Self::Root => ("arn:aws:iam::111122223333:root", "111122223333"),
            Self::Foreign => ("arn:aws:iam::444455556666:user/alice", "444455556666"),
        };
        Who { arn, account }
    }
}

/// A call with its facts: texts by the name of the condition key, in lower case.
#[derive(Clone, Debug)]
pub struct Call {
    pub who: Callers,
    pub action: &'static str,
    pub facts: BTreeMap<&'static str, Vec<&'static str>>,
}

impl Facts for Call {
    fn each(&self, key: &ConditionKey, see: &mut dyn FnMut(Fact<'_>)) {
        let name = key.to_string().to_lowercase();
        let values = self.facts.get(name.as_str()).into_iter().flatten();
        values.for_each(|value| see(Fact::Text(value)));
    }
}

const ACTIONS: [&str; 4] = [
    "kms:Decrypt",
    "kms:Encrypt",
    "kms:GenerateDataKeyPair",
    "kms:GenerateDataKeyPairWithoutPlaintext",
];
const SINGLE: &str = "kms:DataKeyPairSpec";
const MANY: &str = "kms:EncryptionContextKeys";
const VALUES: [&str; 5] = ["RSA_2048", "rsa_2048", "RSA_4096", "SM2", "7"];

pub fn any_call() -> impl Strategy<Value = Call> {
    let who = prop::sample::select(vec![Callers::Alice, Callers::Root, Callers::Foreign]);
    let values = |most| prop::collection::vec(prop::sample::select(VALUES.to_vec()), 0..=most);
    (who, prop::sample::select(ACTIONS.to_vec()), values(1), values(3)).prop_map(
        |(who, action, single, many)| {
            let facts = [("kms:datakeypairspec", single), ("kms:encryptioncontextkeys", many)];
            Call { who, action, facts: facts.into_iter().collect() }
        },
    )
}

/// Statements of a key's policy, or of a principal's, with few enough values that they meet.
pub fn any_statements(names_principals: bool) -> impl Strategy<Value = Vec<Value>> {
    let principal = prop::sample::select(vec![
        json!("*"),
        json!({"AWS": "*"}),
        json!({"AWS": "111122223333"}),
        json!({"AWS": ["arn:aws:iam::444455556666:root", "arn:aws:iam::111122223333:user/bob"]}),
        json!({"AWS": "arn:aws:iam::111122223333:user/alice"}),
        json!({"AWS": "arn:aws:iam::444455556666:user/alice"}),
        json!({"Service": "ec2.amazonaws.com"}),
    ]);
    let action = prop::sample::select(vec![
        json!("*"),
        json!("kms:*"),
        json!("KMS:DECRYPT"),
        json!(["kms:Encrypt", "kms:Generate*"]),
        json!("kms:GenerateDataKeyPair"),
        json!("kms:?ecrypt"),
        json!("s3:*"),
    ]);
    let resource = prop::sample::select(vec![
        json!("*"),
        json!("arn:aws:kms:*:111122223333:key/*"),
        json!(["arn:aws:kms:us-west-2:*", "arn:aws:s3:::*"]),
        json!(KEY),
    ]);
    let statement = (
        any::<[bool; 4]>(),
        principal,
        action,
        resource,
        prop::collection::btree_map(any_operator(), any_test(), 0..3),
    );
    let statement = statement.prop_map(move |(not, principal, action, resource, conditions)| {
        let named =
            |name: &str, not: bool| if not { format!("Not{name}") } else { name.to_owned() };
        let mut statement = json!({"Effect": if not[0] { "Deny" } else { "Allow" }});
        if names_principals {
            statement[named("Principal", not[1] && not[0])] = principal;
        }
        statement[named("Action", not[2])] = action;
        statement[named("Resource", not[3])] = resource;
        if !conditions.is_empty() {
            let conditions: serde_json::Map<_, _> = conditions.into_iter().collect();
            statement["Condition"] = conditions.into();
        }
        statement
    });
    prop::collection::vec(statement, 1..5)
}

fn any_operator() -> impl Strategy<Value = String> {
    let qualifier = prop::sample::select(vec!["", "", "ForAllValues:", "ForAnyValue:"]);
    let test = prop::sample::select(vec!["Equals", "Like", "EqualsIgnoreCase"]);
    (qualifier, any::<bool>(), test, any::<bool>()).prop_map(|(qualifier, not, test, if_exists)| {
        let not = if not { "Not" } else { "" };
        format!("{qualifier}String{not}{test}{}", if if_exists { "IfExists" } else { "" })
    })
}

fn any_test() -> impl Strategy<Value = Value> {
    let values = ["RSA_2048", "RSA*", "*_?096", "sm2", "7"];
    let values = prop::collection::vec(prop::sample::select(values.to_vec()), 1..3);
    (prop::sample::select(vec![SINGLE, MANY]), values)
        .prop_map(|(key, values)| json!({key: values}))
}

/// Whether a call is allowed by the policies of both sides.
pub fn allows(by_key: &[Value], to_principal: &[Value], call: &Call) -> bool {
    let is_root_of_key = call.who != Callers::Foreign;
    let key = |effect: &str, by_name: bool| {
        by_key.iter().any(|statement| {
            statement["Effect"] == effect
                && principal_fits(statement, call.who, effect == "Deny" || !by_name)
                && speaks(statement, call)
        })
    };
    let own = |effect: &str| to_principal.iter().any(|s| s["Effect"] == effect && speaks(s, call));
    if key("Deny", true) || own("Deny") {
        return false;
    }
    let (named, named_or_account) = (key("Allow", true), key("Allow", false));
    if is_root_of_key {
        named || named_or_account && own("Allow")
    } else {
        named_or_account && own("Allow")
    }
}

/// Whether the statement names the caller, or its account where that is enough.
fn principal_fits(statement: &Value, who: Callers, account_is_enough: bool) -> bool {
    let who = who.who();
    let names = |principals: &Value| match principals {
        Value::String(_) => true,
        principals => texts(&principals["AWS"]).iter().any(|text| {
            let is_account =
                *text == who.account || *text == format!("arn:aws:iam::{}:root", who.account);
            *text == "*" || *text == who.arn && !is_account || account_is_enough && is_account
        }),
    };
    match &statement["NotPrincipal"] {
        Value::Null => names(&statement["Principal"]),
        principals => !names(principals),
    }
}

/// Whether action, resource and every condition fit.
fn speaks(statement: &Value, call: &Call) -> bool {
    let selects = |name: &str, text: &str, ignores_case: bool| {
        let lower = |text: &str| if ignores_case { text.to_lowercase() } else { text.to_owned() };
        let meets = |patterns: &Value| {
            texts(patterns).iter().any(|pattern| wild(&lower(pattern), &lower(text)))
        };
        match &statement[format!("Not{name}")] {
            Value::Null => meets(&statement[name]),
            patterns => !meets(patterns),
        }
    };
    let conditions = statement["Condition"].as_object();
    selects("Action", call.action, true)
        && selects("Resource", KEY, false)
        && conditions.into_iter().flatten().all(|(operator, tests)| {
            tests
                .as_object()
                .unwrap()
                .iter()
                .all(|(key, values)| holds(operator, key, values, call))
        })
}

fn holds(operator: &str, key: &str, values: &Value, call: &Call) -> bool {
    let (qualifier, operator) = operator.split_once(':').unwrap_or(("", operator));
    let (operator, if_exists) =
        operator.strip_suffix("IfExists").map_or((operator, false), |operator| (operator, true));
    let is_not = operator.contains("Not");
    let test = operator.replace("Not", "");
    let given = &call.facts[key.to_lowercase().as_str()];
    let fits = |fact: &&&str| {
        texts(values).iter().any(|value| match test.as_str() {
            "StringLike" => wild(value, fact),
            "StringEqualsIgnoreCase" => value.to_lowercase() == fact.to_lowercase(),
            _ => *value == **fact,
        })
    };
    if given.is_empty() && if_exists {
        return true;
    }
    let fitting = given.iter().filter(fits).count();
    match qualifier {
        // Every value the call has must do; the negation of the test is asked of each.
        "ForAllValues" => {
            if is_not {
                fitting == 0
            } else {
                fitting == given.len()
            }
        }
        "ForAnyValue" => {
            if is_not {
                fitting < given.len()
            } else {
                fitting > 0
            }
        }
        _ => (fitting > 0) != is_not,
    }
}

/// One text or a list of them.
fn texts(value: &Value) -> Vec<&str> {
    match value {
        Value::String(text) => vec![text],
        Value::Array(values) => values.iter().map(|value| value.as_str().unwrap()).collect(),
        _ => Vec::new(),
    }
}

/// Whether `text` fits a pattern with `*` and `?`, by trying everything.
fn wild(pattern: &str, text: &str) -> bool {
    let mut rest = pattern.chars();
    match rest.next() {
        None => text.is_empty(),
        Some('*') => (0..=text.len()).any(|at| wild(rest.as_str(), &text[at..])),
        Some(c) => text.chars().next().is_some_and(|first| {
            (c == '?' || c == first) && wild(rest.as_str(), &text[first.len_utf8()..])
        }),
    }
}
