//! Requests that nobody would send, made by the grammars of what is sent (HTTP, JSON, Signature
//! Version 4, key ids, policies), each with what may come back.

use std::collections::HashSet;

use keymill::spec::Operation;
use rand_chacha::ChaCha8Rng;
use serde::de::IgnoredAny;
use serde_json::{Map, Value, json};

use crate::client::{EXPIRED, NOBODY, Reply, SESSION, Signer};
use crate::mutation::{CALLS, ODD, below, byte, chance, mutated, pick};

/// One request, and which 200 would be right.
pub struct Case {
    pub kind: &'static str,
    pub bytes: Vec<u8>,
    pub right: Right,
}

/// What a 200 is to be.
#[derive(Clone, Debug)]
pub enum Right {
    /// It may come.
    May,
    /// It must come.
    Must,
    /// It must not come.
    Never,
    /// It may come with as many bytes as were asked for under a signature.
    SixteenBytes,
    /// It may come, and then the caller must be able to put another policy.
    KeepsControl,
}

impl Right {
    pub fn allows(&self, reply: &Reply) -> bool {
        match self {
            Self::May | Self::KeepsControl => true,
            Self::Must => reply.status == 200,
            Self::Never => reply.status != 200,
            Self::SixteenBytes => reply.status != 200 || reply.body.len() == SIXTEEN_BYTES.len(),
        }
    }

    const fn only_if(is_right: bool) -> Self {
        if is_right { Self::May } else { Self::Never }
    }
}

/// How the answer with 16 bytes looks.
const SIXTEEN_BYTES: &str = r#"{"Plaintext":"AAAAAAAAAAAAAAAAAAAAAA=="}"#;

/// Makes cases about the keys of a keystore.
pub struct Grammar {
    /// A key that may be changed.
    pub victim: String,
    /// A key whose policy may be changed, and nothing else.
    pub governed: String,
    /// All that names `alias/default`.
    pub names: HashSet<String>,
    /// The id of the key that has this alias.
    pub key: String,
}

/// A request in its parts.
struct Draft {
    line: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Draft {
    fn new(signer: &Signer, target: &str, body: &[u8]) -> Self {
        let headers = signed_headers(signer, target);
        Self::with(signer, &headers, body)
    }

    /// Signs `headers`, which are in order.
    fn with(signer: &Signer, headers: &[(&str, String)], body: &[u8]) -> Self {
        let authorization = signer.authorization(headers, body);
        let mut headers: Vec<(String, String)> =
            headers.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        headers.push(("authorization".to_owned(), authorization));
        Self { line: "POST / HTTP/1.1".to_owned(), headers, body: body.to_vec() }
    }

    fn header(&mut self, name: &str) -> &mut String {
        &mut self.headers.iter_mut().find(|(other, _)| other == name).unwrap().1
    }

    fn authorization(&mut self) -> &mut String {
        self.header("authorization")
    }

    fn bytes(&self) -> Vec<u8> {
        let mut text = format!("{}\r\n", self.line);
        for (name, value) in &self.headers {
            text += &format!("{name}: {value}\r\n");
        }
        text += &format!("content-length: {}\r\n\r\n", self.body.len());
        [text.as_bytes(), &self.body].concat()
    }
}

fn signed_headers(signer: &Signer, target: &str) -> Vec<(&'static str, String)> {
    vec![
        ("content-type", "application/x-amz-json-1.1".to_owned()),
        ("host", "127.0.0.1".to_owned()),
        ("x-amz-date", signer.date.strftime("%Y%m%dT%H%M%SZ").to_string()),
        ("x-amz-target", target.to_owned()),
    ]
}

fn target(operation: &str) -> String {
    format!("TrentService.{operation}")
}

impl Grammar {
    /// The next case.
    pub fn case(&self, random: &mut ChaCha8Rng) -> Case {
        let (kind, draft, right) = match below(random, 100) {
            0..30 => self.json(random),
            30..45 => self.key_id(random),
            45..65 => signature(random),
            65..75 => self.nobody(random),
            75..80 => target_name(random),
            80..85 => self.policy(random),
            _ => return http(random),
        };
        Case { kind, bytes: draft.bytes(), right }
    }

    /// A call whose JSON is changed.
    fn json(&self, random: &mut ChaCha8Rng) -> (&'static str, Draft, Right) {
        let (operation, body) = pick(random, &CALLS);
        let mut body = mutated(random, &body.replace("[key]", &self.victim));
        match below(random, 8) {
            0 => body = restructured(random, &body),
            1 => body.extend_from_slice(pick::<&[u8]>(
                random,
                &[b" ", b"\n", b"}", b"{}", b"\0", b"//", b",", b"\xff"],
            )),
            2 => {
                let before = *pick(random, &["\u{feff}", "\0", "[", "\"", "1", " "]);
                body = [before.as_bytes(), &*body].concat();
            }
            _ => {}
        }
        let is_object = body.trim_ascii_start().first() == Some(&b'{')
            && serde_json::from_slice::<IgnoredAny>(&body).is_ok();
        let draft = Draft::new(&Signer::tester(), &target(operation), &body);
        ("json", draft, Right::only_if(is_object))
    }

    /// A call about something that may or may not be the name of a key.
    fn key_id(&self, random: &mut ChaCha8Rng) -> (&'static str, Draft, Right) {
        let name = self.key_name(random);
        let operation = *pick(random, &["DescribeKey", "GenerateDataKeyWithoutPlaintext"]);
        let body = json!({"KeyId": name, "KeySpec": "AES_256"}).to_string();
        let draft = Draft::new(&Signer::tester(), &target(operation), body.as_bytes());
        let right = if self.names.contains(&name) { Right::Must } else { Right::Never };
        ("key id", draft, right)
    }

    fn key_name(&self, random: &mut ChaCha8Rng) -> String {
        let upper = self.key.to_uppercase();
        let id = match below(random, 8) {
            0..4 => self.key.clone(),
            4 => upper,
            5 => format!("mrk-{}", self.key.replace('-', "")),
            6 => format!(" {} ", self.key),
            _ => "1234abcd-12ab-34cd-56ef-1234567890ab".to_owned(),
        };
        let aliases = ["default", "default", "Default", "", "aws/kms", "../default", "default/"];
        let resource = match below(random, 6) {
            0..2 => format!("key/{id}"),
            2..4 => format!("alias/{}", pick(random, &aliases)),
            4 => format!("{}/{id}", pick(random, &["Key", "keys", "", "alias", "key:", "key/"])),
            _ => id.clone(),
        };
        let mut name = match below(random, 4) {
            0 => id,
            1 => resource,
            _ => {
                // Mostly right, or no two parts would ever be.
                let mut part = |right: &str, wrong: &[&str]| {
                    if chance(random, 6) {
                        (*pick(random, wrong)).to_owned()
                    } else {
                        right.to_owned()
                    }
                };
                let arn = part("arn", &["ARN", "", "arn:arn"]);
                let partition = part("aws", &["aws-cn", "aws-us-gov", "", "AWS"]);
                let service = part("kms", &["KMS", "s3", "", "kms:kms"]);
                let region = part("us-east-1", &["eu-west-1", "cn-north-1", "", "us-east-1 ", "*"]);
                let account =
                    part("000000000000", &["111122223333", "", "0", "000000000000 ", "*"]);
                format!("{arn}:{partition}:{service}:{region}:{account}:{resource}")
            }
        };
        if chance(random, 5) {
            let mut bytes = name.into_bytes();
            let at = below(random, bytes.len() + 1);
            match below(random, 3) {
                0 => bytes.insert(at, pick_byte(random)),
                1 => bytes.truncate(at),
                _ => bytes.extend(vec![b'x'; 1 << below(random, 13)]),
            }
            name = String::from_utf8(bytes).unwrap();
        }
        name
    }

    /// A well-signed call of somebody who may do nothing.
    fn nobody(&self, random: &mut ChaCha8Rng) -> (&'static str, Draft, Right) {
        let (operation, body) = pick(random, &CALLS);
        let named = body.replace("[key]", &self.victim);
        let operation =
            if chance(random, 2) { operation } else { pick(random, Operation::ALL).name() };
        let body = if chance(random, 2) { named.into_bytes() } else { mutated(random, &named) };
        let signer = Signer { access_key_id: NOBODY.to_owned(), ..Signer::tester() };
        ("nobody", Draft::new(&signer, &target(operation), &body), Right::Never)
    }

    /// A key policy of odd statements.
    fn policy(&self, random: &mut ChaCha8Rng) -> (&'static str, Draft, Right) {
        let count = below(random, 4);
        let statements: Vec<Value> = (0..count).map(|_| statement(random)).collect();
        let version = pick(random, &["2012-10-17", "2012-10-17", "2008-10-17", "2012-10-18", ""]);
        let mut policy = json!({"Version": version, "Statement": statements});
        if chance(random, 4) {
            policy["Statement"] = statement(random);
        }
        let mut text = policy.to_string();
        if chance(random, 3) {
            text = String::from_utf8_lossy(&mutated(random, &text)).into_owned();
        }
        let is_object =
            text.trim_start().starts_with('{') && serde_json::from_str::<IgnoredAny>(&text).is_ok();
        let body = json!({"KeyId": self.governed, "Policy": text}).to_string();
        let draft = Draft::new(&Signer::tester(), &target("PutKeyPolicy"), body.as_bytes());
        ("policy", draft, if is_object { Right::KeepsControl } else { Right::Never })
    }
}

fn pick_byte(random: &mut ChaCha8Rng) -> u8 {
    *pick(random, b":/-*? \t\0a0Z_%.")
}

/// Members that are nested, named twice, named otherwise or of another form.
fn restructured(random: &mut ChaCha8Rng, body: &[u8]) -> Vec<u8> {
    let Ok(members) = serde_json::from_slice::<Map<String, Value>>(body) else {
        let depth = 1 << below(random, 12);
        return [b"{\"KeyId\":".repeat(depth), b"1".to_vec(), b"}".repeat(depth)].concat();
    };
    let mut text = String::new();
    for (name, value) in &members {
        let name = match below(random, 6) {
            0 => name.to_lowercase(),
            1 => format!("{name}\\u0000"),
            2 => format!(
                "\\u{:04x}{}",
                name.as_bytes().first().unwrap_or(&0),
                name.get(1..).unwrap_or("")
            ),
            _ => name.clone(),
        };
        let value = match below(random, 6) {
            0 => format!("[{value}]"),
            1 => format!("{{\"a\":{value}}}"),
            2 => (*pick(random, &ODD)).to_owned(),
            _ => value.to_string(),
        };
        let times = if chance(random, 6) { 2 } else { 1 };
        text += &format!("\"{name}\":{value},").repeat(times);
    }
    format!("{{{}}}", text.trim_end_matches(',')).into_bytes()
}

fn statement(random: &mut ChaCha8Rng) -> Value {
    let tester = "arn:aws:iam::000000000000:user/tester";
    let root = "arn:aws:iam::000000000000:root";
    let principals = [
        json!("*"),
        json!({"AWS": "*"}),
        json!({"AWS": root}),
        json!({"AWS": [tester, root]}),
        json!({"AWS": "000000000000"}),
        json!({"AWS": "arn:aws:iam::111122223333:root"}),
        json!({"AWS": "AIDAEXAMPLE"}),
        json!({"Service": "ec2.amazonaws.com"}),
        json!({"AWS": []}),
        json!({}),
        json!(null),
    ];
    let actions = [
        json!("kms:*"),
        json!("*"),
        json!("kms:PutKeyPolicy"),
        json!(["kms:PutKey*", "kms:GetKeyPolicy"]),
        json!("kms:Put?eyPolicy"),
        json!("kms:Decrypt"),
        json!("s3:*"),
        json!([]),
        json!("kms"),
        json!(7),
    ];
    let operator = *pick(random, &OPERATORS);
    let key = *pick(random, &CONDITION_KEYS);
    let value = *pick(random, &["000000000000", "AWS_KMS", "127.0.0.1/8", "true", "*", "7", ""]);
    let mut statement = json!({
        "Effect": pick(random, &["Allow", "Allow", "Allow", "Deny", "allow", ""]),
        "Principal": pick(random, &principals),
        "Action": pick(random, &actions),
        "Resource": pick(random, &["*", "*", "*", "arn:aws:kms:us-east-1:000000000000:key/*", ""]),
    });
    let members = statement.as_object_mut().unwrap();
    if chance(random, 3) {
        members.insert("Condition".to_owned(), json!({operator: {key: value}}));
    }
    for (renamed, to) in [("Principal", "NotPrincipal"), ("Action", "NotAction")] {
        if chance(random, 12) {
            let value = members.remove(renamed).unwrap();
            members.insert(to.to_owned(), value);
        }
    }
    if chance(random, 10) {
        let name = *pick(random, &["Sid", "Resource", "Extra", "Effect"]);
        members.insert(name.to_owned(), pick(random, &[json!("x"), json!(1), json!([])]).clone());
    }
    statement
}

const OPERATORS: [&str; 10] = [
    "StringEquals",
    "StringLike",
    "StringNotEquals",
    "Bool",
    "Null",
    "IpAddress",
    "ForAllValues:StringEquals",
    "StringEqualsIfExists",
    "NumericLessThan",
    "Strange",
];

const CONDITION_KEYS: [&str; 8] = [
    "kms:CallerAccount",
    "kms:KeyOrigin",
    "aws:SourceIp",
    "aws:PrincipalArn",
    "kms:ViaService",
    "kms:BypassPolicyLockoutSafetyCheck",
    "aws:userid",
    "nothing",
];

/// A well-signed call of something that is hardly an operation.
fn target_name(random: &mut ChaCha8Rng) -> (&'static str, Draft, Right) {
    let name = pick(random, Operation::ALL).name();
    let target = match below(random, 8) {
        0 => format!("trentservice.{name}"),
        1 => name.to_owned(),
        2 => format!("TrentService.{}", name.to_lowercase()),
        3 => format!("TrentService.{name}X"),
        4 => format!("TrentService..{name}"),
        5 => format!("DynamoDB_20120810.{name}"),
        6 => format!("TrentService.{name},TrentService.GenerateRandom"),
        _ => "TrentService.".to_owned(),
    };
    let body = br#"{"KeyId": "alias/default", "NumberOfBytes": 1}"#;
    ("target", Draft::new(&Signer::tester(), &target, body), Right::Never)
}

/// Signed by the tester, and then wrong in one way.
fn signature(random: &mut ChaCha8Rng) -> (&'static str, Draft, Right) {
    let mut signer = Signer::tester();
    let (operation, body) = *pick(random, &[("GenerateRandom", RANDOM), ("ListKeys", "{}")]);
    let (target, body) = (target(operation), body.as_bytes());
    let draft = match below(random, 4) {
        0 => {
            match below(random, 4) {
                0 => signer.secret += "x",
                1 => {
                    signer.access_key_id =
                        pick(random, &["AKIDNONE", "", EXPIRED, SESSION, "AKID/X"]).to_string();
                }
                2 => {
                    signer.region =
                        pick(random, &["", "us-east-1x", "US-EAST-1", "x/y", "*"]).to_string();
                }
                _ => {
                    let off = 301 + i64::try_from(below(random, 1 << 30)).unwrap();
                    let off =
                        jiff::SignedDuration::from_secs(if chance(random, 2) { off } else { -off });
                    signer.date =
                        signer.date.checked_add(off).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
                }
            }
            Draft::new(&signer, &target, body)
        }
        1 => {
            // Signed rightly, but not all that must be.
            let unsigned = *pick(random, &["host", "x-amz-target"]);
            let headers = signed_headers(&signer, &target);
            let (without, rest): (Vec<_>, Vec<_>) =
                headers.into_iter().partition(|(name, _)| *name != unsigned);
            let mut draft = Draft::with(&signer, &without, body);
            draft.headers.extend(rest.into_iter().map(|(name, value)| (name.to_owned(), value)));
            draft
        }
        2 => altered_request(random, Draft::new(&signer, &target, body)),
        _ => altered_authorization(random, Draft::new(&signer, &target, body)),
    };
    ("signature", draft, Right::Never)
}

const RANDOM: &str = r#"{"NumberOfBytes": 16}"#;

/// Changes what was signed.
fn altered_request(random: &mut ChaCha8Rng, mut draft: Draft) -> Draft {
    match below(random, 7) {
        0 => draft.body.push(b' '),
        1 => {
            let at = below(random, draft.body.len());
            draft.body[at] ^= 1 << below(random, 7);
        }
        2 => draft.header("host").push('0'),
        3 => *draft.header("x-amz-date") += *pick(random, &["0", "Z", "+"]),
        4 => *draft.header("x-amz-target") = target("ListAliases"),
        5 => {
            let name =
                (*pick(random, &["host", "x-amz-target", "x-amz-date", "content-type"])).to_owned();
            let value = draft.header(&name).clone();
            draft.headers.push((name, value));
        }
        _ => {
            draft.line = format!(
                "POST /?{} HTTP/1.1",
                pick(random, &["a", "a=b", "X-Amz-Algorithm=x", "%2f"])
            );
        }
    }
    draft
}

/// Changes what says how it was signed.
fn altered_authorization(random: &mut ChaCha8Rng, mut draft: Draft) -> Draft {
    let text = draft.authorization();
    let at = text.find("Signature=").unwrap() + "Signature=".len();
    match below(random, 9) {
        0 => {
            let at = at + below(random, 64);
            let digit = u8::from_str_radix(&text[at..=at], 16).unwrap();
            let other = (digit + 1 + u8::try_from(below(random, 15)).unwrap()) % 16;
            text.replace_range(at..=at, &format!("{other:x}"));
        }
        1 => text.truncate(at + below(random, 64)),
        2 => text.push(char::from(*pick(random, b"0af/=A"))),
        3 => {
            let (old, new) = *pick(
                random,
                &[
                    ("us-east-1", "us-east-2"),
                    ("kms/", "s3/"),
                    ("aws4_request", "aws4"),
                    ("/kms", "/kms/kms"),
                    ("AWS4-HMAC-SHA256", "AWS4-HMAC-SHA1"),
                    ("AWS4-HMAC-SHA256", "Basic"),
                    ("AKIDEXAMPLE", "AKIDNONE"),
                    ("AKIDEXAMPLE/2", "AKIDEXAMPLE/1"),
                    ("AKIDEXAMPLE", "akidexample"),
                    ("Credential=", "Credential"),
                ],
            );
            *text = text.replacen(old, new, 1);
        }
        4 => {
            let (old, new) = *pick(
                random,
                &[
                    ("content-type;", ""),
                    (";host", ""),
                    (";x-amz-date", ""),
                    (";x-amz-target", ""),
                    ("host", "Host"),
                    ("content-type;host", "host;content-type"),
                    ("host", "host;host"),
                    ("x-amz-target", "x-amz-target;x-none"),
                    ("SignedHeaders=", "SignedHeaders=;"),
                ],
            );
            *text = text.replacen(old, new, 1);
        }
        5 => {
            let name = *pick(random, &["Credential", "SignedHeaders", "Signature"]);
            let parts: Vec<&str> =
                text.split_inclusive(' ').filter(|part| !part.starts_with(name)).collect();
            *text = parts.concat();
        }
        6 => draft.headers.retain(|(name, _)| name != "authorization"),
        7 => draft.headers.insert(0, ("authorization".to_owned(), "AWS4-HMAC-SHA256 x".to_owned())),
        _ => draft.headers.push(("x-amz-security-token".to_owned(), "t".to_owned())),
    }
    draft
}

/// A signed request as bytes, some of which are changed, moved, repeated or left out.
fn http(random: &mut ChaCha8Rng) -> Case {
    let draft = Draft::new(&Signer::tester(), &target("GenerateRandom"), RANDOM.as_bytes());
    let mut bytes = draft.bytes();
    if chance(random, 3) {
        let framing = pick(random, &FRAMINGS);
        let text = String::from_utf8(bytes).unwrap();
        bytes = text.replace(&format!("content-length: {}", RANDOM.len()), framing).into_bytes();
    }
    for _ in 0..below(random, 3) {
        let at = below(random, bytes.len());
        let end = (at + below(random, 40)).min(bytes.len());
        match below(random, 5) {
            0 => bytes[at] = byte(random),
            1 => drop(bytes.drain(at..end)),
            2 => {
                let again = bytes[at..end].to_vec();
                let to = below(random, bytes.len());
                bytes.splice(to..to, again);
            }
            3 => drop(bytes.splice(at..at, pick(random, &INSERTIONS).bytes())),
            _ => bytes.truncate(at),
        }
        if bytes.is_empty() {
            break;
        }
    }
    Case { kind: "http", bytes, right: Right::SixteenBytes }
}

const FRAMINGS: [&str; 14] = [
    "content-length: 0",
    "content-length: -1",
    "content-length: 0x15",
    "content-length: 18446744073709551616",
    "content-length: 21\r\ncontent-length: 22",
    "content-length: 21\r\ntransfer-encoding: chunked",
    "transfer-encoding: chunked",
    "transfer-encoding: chunked\r\nContent-Length: 21",
    "transfer-encoding: gzip, chunked",
    "Transfer-Encoding : chunked",
    "transfer-encoding:\tchunked",
    "connection: upgrade\r\nupgrade: h2c",
    "expect: 100-continue\r\ncontent-length: 21",
    "x: y",
];

const INSERTIONS: [&str; 12] = [
    "\r\n",
    "\n",
    "\r",
    "\0",
    ": ",
    "\r\n x",
    "\r\nhost: y",
    "\r\nx-amz-target: TrentService.ListKeys",
    " HTTP/1.1\r\n",
    "ffffffffffffffff\r\n",
    "GET / HTTP/1.1\r\nhost: x\r\n\r\n",
    "\u{1f511}",
];
