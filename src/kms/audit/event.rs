//! One event, in the form of a CloudTrail record (AWS CloudTrail user guide, "CloudTrail record
//! contents").

use core::cell::{Cell, RefCell};
use core::net::IpAddr;
use std::rc::Rc;
use std::sync::{Arc, Weak};

use serde::Serialize;
use uuid::Uuid;

use super::json::Json;
use super::parameters::write_parameters;
use crate::keystore::ServedKey;
use crate::kms::error::Error;
use crate::limits::AUDIT_REPEATED_BYTES_MAX;
use crate::pipeline::authorize::Caller;
use crate::spec::{MaterialId, Operation};

/// What happened.
#[derive(Debug)]
pub(in crate::kms) struct Event<'a> {
    pub(in crate::kms) operation: Operation,
    pub(in crate::kms) caller: &'a Rc<Caller>,
    pub(in crate::kms) address: IpAddr,
    pub(in crate::kms) user_agent: Option<&'a str>,
    pub(in crate::kms) tls: Option<TlsDetails>,
    /// The Host header, which is shown with how the connection is encrypted.
    pub(in crate::kms) host: Option<&'a str>,
    pub(in crate::kms) request_id: Uuid,
    pub(in crate::kms) id: Uuid,
    /// The request, whose members are shown as far as they are not secret.
    pub(in crate::kms) body: &'a [u8],
    pub(in crate::kms) noted: &'a Noted,
    pub(in crate::kms) end: End<'a>,
}

/// What a call comes to know on its way.
#[derive(Debug, Default)]
pub(in crate::kms) struct Noted {
    /// The keys that were found and may be used: two, where one blob becomes another.
    keys: RefCell<[Option<Arc<ServedKey>>; 2]>,
    /// The ARN of the key that was made.
    made: RefCell<Option<String>>,
    /// The material that was used.
    material: Cell<Option<MaterialId>>,
}

impl Noted {
    pub(in crate::kms) fn key(&self, key: &Arc<ServedKey>) {
        let mut keys = self.keys.borrow_mut();
        if keys.iter().flatten().any(|known| Arc::ptr_eq(known, key)) {
            return;
        }
        if let Some(free) = keys.iter_mut().find(|place| place.is_none()) {
            *free = Some(Arc::clone(key));
        }
    }

    pub(in crate::kms) fn made(&self, arn: String) {
        self.made.replace(Some(arn));
    }

    pub(in crate::kms) fn material(&self, material: MaterialId) {
        self.material.set(Some(material));
    }

    /// The keys and the material that were used.
    pub(super) fn used(&self) -> Used {
        let keys = self.keys.borrow().each_ref().map(|key| key.as_ref().map(Arc::downgrade));
        Used { keys, material: self.material.get() }
    }
}

/// Keys and material that an event was about. The keys are held so far only that no other can stand
/// in their place in memory.
#[derive(Debug)]
pub(super) struct Used {
    keys: [Option<Weak<ServedKey>>; 2],
    material: Option<MaterialId>,
}

impl Used {
    /// Whether `noted` has the same.
    pub(super) fn is(&self, noted: &Noted) -> bool {
        let keys = noted.keys.borrow();
        let is_same = |(ours, theirs): (&Option<Weak<_>>, &Option<Arc<_>>)| {
            let ours = ours.as_ref().map(Weak::as_ptr);
            ours == theirs.as_ref().map(Arc::as_ptr)
        };
        self.material == noted.material.get() && self.keys.iter().zip(&*keys).all(is_same)
    }
}

/// How a call ended.
#[derive(Clone, Copy, Debug)]
pub(in crate::kms) enum End<'a> {
    Done,
    Failed(&'a Error),
    /// On demand: see the weather.
    Injected(&'a Error),
    /// The client left before the answer; what was asked for may have been done.
    ClientLeft,
}

/// How a connection is encrypted.
#[derive(Clone, Copy, Debug)]
pub(in crate::kms) struct TlsDetails {
    pub(in crate::kms) tls_version: &'static str,
    pub(in crate::kms) cipher_suite: &'static str,
}

/// The members that all calls of a caller to an operation share.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Shared<'a> {
    event_version: &'static str,
    user_identity: Identity<'a>,
    event_source: &'static str,
    event_name: &'static str,
    aws_region: &'a str,
    response_elements: (),
    read_only: bool,
    event_type: &'static str,
    management_event: bool,
    recipient_account_id: &'a str,
    event_category: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Identity<'a> {
    r#type: &'static str,
    principal_id: &'a str,
    arn: &'a str,
    account_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    access_key_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_name: Option<&'a str>,
}

impl Event<'_> {
    /// Appends a JSON object of the members that all calls of the caller to the operation share, but
    /// for its end.
    pub(super) fn write_shared(&self, out: &mut Vec<u8>) {
        let scope = &self.caller.scope;
        let shared = Shared {
            event_version: "1.11",
            user_identity: Identity::of(self.caller),
            event_source: "kms.amazonaws.com",
            event_name: self.operation.name(),
            aws_region: scope.region.as_str(),
            response_elements: (),
            read_only: is_read_only(self.operation),
            event_type: "AwsApiCall",
            management_event: true,
            recipient_account_id: scope.account.as_str(),
            event_category: "Management",
        };
        serde_json::to_writer(&mut *out, &shared).expect("an event is plain text and numbers");
        out.pop();
    }

    /// Whether what is written of its keys is the same for all events about them.
    pub(super) fn is_plain(&self) -> bool {
        let is_ordinary = matches!(self.end, End::Done | End::Failed(_));
        is_ordinary && self.noted.made.borrow().is_none()
    }

    /// Goes on with the members that its keys decide.
    pub(super) fn write_keys(&self, out: &mut Vec<u8>) {
        let mut json = Json(out);
        self.write_additional(&mut json);
        self.write_resources(json.member("resources"));
    }

    /// Whether what is written of its request may be copied for others that make the same in the same
    /// second: it is what load consists of, and the service takes no secret there.
    pub(super) fn may_be_repeated(&self) -> bool {
        let makes_keys = matches!(
            self.operation,
            Operation::GenerateDataKey
                | Operation::GenerateDataKeyPair
                | Operation::GenerateDataKeyPairWithoutPlaintext
                | Operation::GenerateDataKeyWithoutPlaintext
        );
        makes_keys && self.is_plain() && self.body.len() <= AUDIT_REPEATED_BYTES_MAX
    }

    /// All that [`write_request`](Self::write_request) goes by, with the second for the time.
    pub(super) fn collect_request(&self, second: i64, all: &mut Vec<u8>) {
        all.extend_from_slice(&second.to_le_bytes());
        match self.address {
            IpAddr::V4(address) => all.extend_from_slice(&address.to_ipv6_mapped().octets()),
            IpAddr::V6(address) => all.extend_from_slice(&address.octets()),
        }
        all.push(u8::from(self.address.is_ipv4()));
        let (version, suite) = self.tls.map(|tls| (tls.tls_version, tls.cipher_suite)).unzip();
        for text in [version, suite, self.host, self.user_agent] {
            // No text is so long.
            let bytes = text.map_or(u64::MAX, |text| text.len() as u64);
            all.extend_from_slice(&bytes.to_le_bytes());
            all.extend_from_slice(text.unwrap_or_default().as_bytes());
        }
        all.extend_from_slice(self.body);
    }

    /// Goes on with the members that its request decides; `time` is the one of the event.
    pub(super) fn write_request(&self, time: &str, out: &mut Vec<u8>) {
        let mut json = Json(out);
        json.member("eventTime").text(time);
        json.member("sourceIPAddress").shown(self.address);
        json.member("userAgent").text_or_null(self.user_agent);
        write_parameters(self.body, json.member("requestParameters"));
        if let Some(tls) = self.tls {
            self.write_tls(tls, json.member("tlsDetails"));
        }
    }

    /// Goes on with the other members: how it ended, and the ids that no other event has.
    pub(super) fn write_own(&self, out: &mut Vec<u8>) {
        let error = match self.end {
            End::Done | End::ClientLeft => None,
            End::Failed(error) | End::Injected(error) => Some(error),
        };
        let mut json = Json(out);
        if let Some(error) = error {
            json.member("errorCode").text(code_of(error));
        }
        if let Some(message) = error.and_then(|error| error.message.as_deref()) {
            json.member("errorMessage").text(message);
        }
        for (name, id) in [("requestID", self.request_id), ("eventID", self.id)] {
            json.member(name).text(id.as_hyphenated().encode_lower(&mut Uuid::encode_buffer()));
        }
    }

    fn write_additional(&self, json: &mut Json<'_>) {
        let material = self.noted.material.get();
        if material.is_none() && !matches!(self.end, End::Injected(_) | End::ClientLeft) {
            return;
        }
        json.member("additionalEventData").object(|json| {
            if let Some(material) = material {
                json.member("keyMaterialId").text(material.text(&mut [0; 64]));
            }
            match self.end {
                End::Injected(_) => json.member("injected").raw("true"),
                End::ClientLeft => json.member("clientLeft").raw("true"),
                End::Done | End::Failed(_) => {}
            }
        });
    }

    /// The keys; one that was made is of the caller's account.
    fn write_resources(&self, json: &mut Json<'_>) {
        let (found, made) = (self.noted.keys.borrow(), self.noted.made.borrow());
        let found = found.iter().flatten();
        let found = found.map(|key| (&key.record().arn().scope.account, key.arn()));
        let made = made.as_deref().map(|arn| (&self.caller.scope.account, arn));
        json.objects(found.chain(made), |json, (account, arn)| {
            json.member("accountId").text(account.as_str());
            json.member("type").text("AWS::KMS::Key");
            json.member("ARN").text(arn);
        });
    }

    fn write_tls(&self, tls: TlsDetails, json: &mut Json<'_>) {
        json.object(|json| {
            json.member("tlsVersion").text(tls.tls_version);
            json.member("cipherSuite").text(tls.cipher_suite);
            if let Some(host) = self.host {
                json.member("clientProvidedHostHeader").text(host);
            }
        });
    }
}

impl<'a> Identity<'a> {
    fn of(caller: &'a Caller) -> Self {
        let principal = &caller.principal;
        let record = principal.record();
        let is_root = principal.is_root();
        let account_id = caller.scope.account.as_str();
        Self {
            r#type: if is_root { "Root" } else { "IAMUser" },
            principal_id: if is_root { account_id } else { record.name() },
            arn: principal.arn(),
            account_id,
            access_key_id: (!is_root).then(|| record.access_key_id()),
            user_name: (!is_root).then(|| record.name()),
        }
    }
}

/// CloudTrail has the exception's name, but for the one that IAM decides.
fn code_of(error: &Error) -> &'static str {
    if error.name == "AccessDeniedException" { "AccessDenied" } else { error.name }
}

/// Whether an operation changes nothing that stays.
const fn is_read_only(operation: Operation) -> bool {
    !matches!(
        operation,
        Operation::CancelKeyDeletion
            | Operation::ConnectCustomKeyStore
            | Operation::CreateAlias
            | Operation::CreateCustomKeyStore
            | Operation::CreateGrant
            | Operation::CreateKey
            | Operation::DeleteAlias
            | Operation::DeleteCustomKeyStore
            | Operation::DeleteImportedKeyMaterial
            | Operation::DisableKey
            | Operation::DisableKeyRotation
            | Operation::DisconnectCustomKeyStore
            | Operation::EnableKey
            | Operation::EnableKeyRotation
            | Operation::ImportKeyMaterial
            | Operation::PutKeyPolicy
            | Operation::ReplicateKey
            | Operation::RetireGrant
            | Operation::RevokeGrant
            | Operation::RotateKeyOnDemand
            | Operation::ScheduleKeyDeletion
            | Operation::TagResource
            | Operation::UntagResource
            | Operation::UpdateAlias
            | Operation::UpdateCustomKeyStore
            | Operation::UpdateKeyDescription
            | Operation::UpdatePrimaryRegion
    )
}
