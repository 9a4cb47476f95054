//! One event, in the form of a CloudTrail record (AWS CloudTrail user guide, "CloudTrail record
//! contents").

use core::cell::{Cell, RefCell};
use core::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;

use serde::Serialize;
use uuid::Uuid;

use super::parameters::Parameters;
use crate::keystore::ServedKey;
use crate::kms::error::Error;
use crate::kms::wire::Shown;
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
    /// The Host header.
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
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
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

/// The members that a call has for itself.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Own<'a> {
    event_time: &'a str,
    #[serde(rename = "sourceIPAddress")]
    source_ip_address: IpAddr,
    user_agent: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error_code: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error_message: Option<&'a str>,
    request_parameters: Parameters<'a>,
    #[serde(skip_serializing_if = "Additional::is_empty")]
    additional_event_data: Additional,
    #[serde(rename = "requestID")]
    request_id: Id,
    #[serde(rename = "eventID")]
    event_id: Id,
    resources: Resources<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tls_details: Option<Tls<'a>>,
}

/// An id in one piece.
struct Id(Uuid);

impl Serialize for Id {
    fn serialize<S: serde::Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        out.serialize_str(self.0.as_hyphenated().encode_lower(&mut Uuid::encode_buffer()))
    }
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

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Additional {
    #[serde(skip_serializing_if = "Option::is_none")]
    key_material_id: Option<Shown<MaterialId>>,
    #[serde(skip_serializing_if = "core::ops::Not::not")]
    injected: bool,
    #[serde(skip_serializing_if = "core::ops::Not::not")]
    client_left: bool,
}

impl Additional {
    const fn is_empty(&self) -> bool {
        self.key_material_id.is_none() && !self.injected && !self.client_left
    }
}

#[derive(Serialize)]
struct Tls<'a> {
    #[serde(flatten)]
    details: TlsDetails,
    #[serde(rename = "clientProvidedHostHeader", skip_serializing_if = "Option::is_none")]
    host: Option<&'a str>,
}

/// The keys, as resources.
struct Resources<'a> {
    noted: &'a Noted,
    /// Whose key one that was made is.
    account: &'a str,
}

#[derive(Serialize)]
struct Resource<'a> {
    #[serde(rename = "accountId")]
    account_id: &'a str,
    r#type: &'static str,
    #[serde(rename = "ARN")]
    arn: &'a str,
}

impl Serialize for Resources<'_> {
    fn serialize<S: serde::Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        let key = |account_id, arn| Resource { account_id, r#type: "AWS::KMS::Key", arn };
        let (found, made) = (self.noted.keys.borrow(), self.noted.made.borrow());
        let found = found.iter().flatten();
        let found = found.map(|it| key(it.record().arn().scope.account.as_str(), it.arn()));
        let made = made.as_deref().map(|arn| key(self.account, arn));
        out.collect_seq(found.chain(made))
    }
}

impl Event<'_> {
    /// Appends the members that all calls of the caller to the operation share, as a JSON object.
    pub(super) fn write_shared(&self, out: &mut Vec<u8>) {
        let scope = &self.caller.scope;
        write(
            &Shared {
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
            },
            out,
        );
    }

    /// Appends the other members, as a JSON object too; `time` is the one of the event.
    pub(super) fn write_own(&self, time: &str, out: &mut Vec<u8>) {
        let (error, injected, client_left) = match self.end {
            End::Done => (None, false, false),
            End::Failed(error) => (Some(error), false, false),
            End::Injected(error) => (Some(error), true, false),
            End::ClientLeft => (None, false, true),
        };
        let key_material_id = self.noted.material.get().map(Shown);
        let account = self.caller.scope.account.as_str();
        write(
            &Own {
                event_time: time,
                source_ip_address: self.address,
                user_agent: self.user_agent,
                error_code: error.map(code_of),
                error_message: error.and_then(|error| error.message.as_deref()),
                request_parameters: Parameters(self.body),
                additional_event_data: Additional { key_material_id, injected, client_left },
                request_id: Id(self.request_id),
                event_id: Id(self.id),
                resources: Resources { noted: self.noted, account },
                tls_details: self.tls.map(|details| Tls { details, host: self.host }),
            },
            out,
        );
    }
}

fn write(members: &impl Serialize, out: &mut Vec<u8>) {
    serde_json::to_writer(out, members).expect("an event is plain text and numbers");
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
