//! `keymill serve`: the KMS endpoint, until it is told to stop.

use std::sync::Arc;

use keymill::door::{Door, Hall};
use keymill::keystore::{CreatePrincipal, Keystore, Seed, ServedKeystore, ServedOptions};
use keymill::kms::{
    Admin, Audit, AuditOptions, Authentication, Endpoint, Forecast, Server, ServerOptions,
    TlsIdentity,
};
use keymill::pipeline::source::{KeyPairSource, PooledSource};
use tokio::signal::unix::{SignalKind, signal};

use crate::args::{Arguments, Auth, Serve, Weather};
use crate::failure::{Code, Failure};
use crate::home;
use crate::latencies;
use crate::output::{print, say};
use crate::pools;

/// Name of the user that the first `serve` makes.
const FIRST_PRINCIPAL: &str = "default";

pub fn run(arguments: &Arguments, wanted: &Serve) -> Result<(), Failure> {
    check_exposure(wanted)?;
    let forecast = forecast(&wanted.weather)?;
    let tls = tls_identity(wanted)?;
    let backend = wanted.backend.select().map_err(|error| {
        Failure::new(Code::Unavailable, error).hint("leave --backend out, or give portable")
    })?;
    let (mut keystore, seed) = keystore(arguments, wanted)?;
    let exports = first_principal(&mut keystore)?;
    let region = keystore.scope().region.clone();
    let authentication = match wanted.auth {
        Auth::Sigv4 => Authentication::SigV4,
        Auth::None => Authentication::None,
    };
    let reserves = pools::open_reserves(&keystore, wanted)?;
    let (pools, feeds) = pools::start(wanted, &reserves, backend)?;
    let status = pools::tell_status(arguments, &pools)?;
    let lateness = wanted.eventual.unsigned_abs();
    let keystore = ServedKeystore::with(keystore, ServedOptions { lateness, seed })?;
    let keystore = Arc::new(keystore);
    let feeders = pools::feed(&pools, feeds, reserves.through(&keystore), backend)?;
    let source: Arc<dyn KeyPairSource> = Arc::new(PooledSource::new(pools, wanted.empty_pool));
    let audit = open_audit(wanted)?;
    let endpoint = Endpoint::new(Arc::clone(&keystore), Arc::clone(&source), authentication);
    let endpoint = Arc::new(endpoint.with_backend(backend).with_audit(audit.clone()));
    let door = open_door(wanted, Hall::new(keystore, source))?;
    endpoint.forecast(forecast);
    let admin = open_admin(wanted, &endpoint)?;
    let scheme = if tls.is_some() { "https" } else { "http" };
    let options = ServerOptions {
        threads: wanted.threads,
        connections_max: wanted.connections,
        tls,
        ..ServerOptions::new(wanted.listen)
    };
    let server = Server::start(&endpoint, &options)
        .map_err(|error| Failure::new(Code::Unavailable, error))?;
    let url = format!("{scheme}://{}", server.address());
    if let Some(exports) = exports {
        print(&format!("{exports}{}", point_to(&url, region.as_str())))?;
    }
    say(format!("listening on {url}"));
    wait_for_signal()?;
    say("stopping");
    server.stop();
    drop((door, status, admin));
    pools::settle(feeders);
    latencies::tell(&endpoint.tally(), wanted.latencies.as_deref())?;
    close_audit(audit.as_deref())
}

/// Opens the audit log, if one is wanted.
fn open_audit(wanted: &Serve) -> Result<Option<Arc<Audit>>, Failure> {
    let Some(folder) = wanted.audit.clone() else { return Ok(None) };
    let options = AuditOptions { folder, file_bytes: wanted.audit_file_bytes };
    Ok(Some(Arc::new(Audit::start(&options)?)))
}

/// Writes what is left of the audit log, and says how it ends.
fn close_audit(audit: Option<&Audit>) -> Result<(), Failure> {
    if let Some(head) = audit.map(Audit::stop).transpose()?.flatten() {
        say(format!("the audit log ends with {head}"));
    }
    Ok(())
}

/// Opens the operator's address, if one is wanted.
fn open_admin(wanted: &Serve, endpoint: &Arc<Endpoint>) -> Result<Option<Admin>, Failure> {
    let Some(address) = &wanted.admin else { return Ok(None) };
    let admin = Admin::start(endpoint, address)
        .map_err(|error| Failure::new(Code::CannotCreate, format!("--admin {address}: {error}")))?;
    say(format!("health, metrics and weather at {}", admin.address()));
    Ok(Some(admin))
}

/// Opens the shared-memory door, if one is wanted.
fn open_door(wanted: &Serve, hall: Hall) -> Result<Option<Door>, Failure> {
    let Some(path) = &wanted.ring else { return Ok(None) };
    let door = Door::open(path, hall).map_err(|error| {
        let message = format!("--ring {}: {error}", path.display());
        Failure::new(Code::CannotCreate, message)
            .hint("give the path of a socket that is to be made, like /run/user/1000/keymill.ring")
    })?;
    say(format!("giving rings at {}", path.display()));
    Ok(Some(door))
}

/// The keystore, put to the seed if there is one.
fn keystore(arguments: &Arguments, wanted: &Serve) -> Result<(Keystore, Option<Seed>), Failure> {
    let scope = wanted.scope.to_options();
    let Some(path) = &wanted.seed else {
        return Ok((home::open_or_create_in(arguments, scope)?, None));
    };
    let seed = Seed::read(path)?;
    let is_new = !Keystore::is_present(&home::path(arguments)?);
    let mut keystore = home::open_or_create_in(arguments, seed.fill(scope))?;
    if !is_new && !keystore.is_seeded() {
        let message = "--seed would delete everything in this keystore";
        return Err(Failure::new(Code::NoPermission, message)
            .hint("it was not made from a seed; give --home with another folder"));
    }
    keystore.reset_to_seed(&seed)?;
    Ok((keystore, Some(seed)))
}

/// Refuses what would let others read or make calls that they should not.
fn check_exposure(wanted: &Serve) -> Result<(), Failure> {
    let is_local = wanted.listen.ip().is_loopback();
    if !is_local && wanted.auth == Auth::None {
        let message = format!("--auth none on {}: anybody could use every key", wanted.listen);
        return Err(
            Failure::new(Code::Usage, message).hint("listen on 127.0.0.1, or let calls be signed")
        );
    }
    if !is_local && wanted.tls_cert.is_none() && !wanted.allow_plaintext {
        let message =
            format!("{} can be reached by others, and nothing is encrypted", wanted.listen);
        return Err(Failure::new(Code::Usage, message).hint(
            "give --tls-cert and --tls-key, or --allow-plaintext behind something that encrypts",
        ));
    }
    Ok(())
}

/// What `--tls-cert` and `--tls-key` name.
fn tls_identity(wanted: &Serve) -> Result<Option<TlsIdentity>, Failure> {
    let (Some(certificate), Some(key)) = (&wanted.tls_cert, &wanted.tls_key) else {
        return Ok(None);
    };
    Ok(Some(TlsIdentity::load(certificate, key)?))
}

/// The weather that was asked for.
fn forecast(wanted: &Weather) -> Result<Forecast, Failure> {
    let Weather { quotas, fault, latency, drop, fault_seed } = wanted;
    let seed = match fault_seed {
        Some(seed) => *seed,
        None => getrandom::u64().map_err(|error| Failure::new(Code::TryAgain, error))?,
    };
    let (quotas, faults) = (quotas.clone(), fault.clone());
    let forecast = Forecast { quotas, faults, latency: *latency, drop: *drop, seed };
    forecast.check().map_err(|error| Failure::new(Code::Usage, format!("--fault {error}")))?;
    if fault_seed.is_none() && !forecast.is_clear() {
        say(format!("the same faults come again with --fault-seed {seed}"));
    }
    Ok(forecast)
}

/// Makes a user if there is none; returns its access key, as a shell takes it.
fn first_principal(keystore: &mut Keystore) -> Result<Option<String>, Failure> {
    if keystore.principals().next().is_some() {
        return Ok(None);
    }
    let wanted = CreatePrincipal { name: FIRST_PRINCIPAL.to_owned(), ..CreatePrincipal::default() };
    let (_, key) = keystore.create_principal(wanted)?;
    Ok(Some(format!(
        "export AWS_ACCESS_KEY_ID={}\nexport AWS_SECRET_ACCESS_KEY={}\n",
        key.id,
        key.secret.expose()
    )))
}

/// What points clients to this endpoint. SDKs read one name of the Region or the other.
fn point_to(url: &str, region: &str) -> String {
    format!(
        "export AWS_ENDPOINT_URL_KMS={url} AWS_REGION={region} \
         AWS_DEFAULT_REGION={region}\n"
    )
}

/// Waits for SIGTERM or SIGINT.
fn wait_for_signal() -> Result<(), Failure> {
    let fault = |error| Failure::new(Code::TryAgain, format!("cannot wait for signals: {error}"));
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(fault)?;
    runtime.block_on(async {
        let mut terminate = signal(SignalKind::terminate()).map_err(fault)?;
        let mut interrupt = signal(SignalKind::interrupt()).map_err(fault)?;
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        Ok(())
    })
}
