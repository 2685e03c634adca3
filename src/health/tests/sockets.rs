//! Probes over real sockets of the loopback interface: silent, deaf, dead and TLS backends.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::TlsAcceptor;

use super::check;
use crate::config::{Protocol, TlsUse};
use crate::health::{Check, ProbeFault, Trust, probe};
use crate::world::scratch::Scratch;
use crate::world::{Address, Listen, Listener, Network, RealWorld, Socket, SocketListener, World};

const HOME: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
/// Long enough for every machine where something answers.
const PATIENT: Duration = Duration::from_secs(20);

struct Stage {
    world: RealWorld,
    listener: SocketListener,
    port: u16,
    scratch: Scratch,
}

async fn stage() -> Stage {
    let scratch = Scratch::new();
    let world = RealWorld::open(scratch.path()).expect("the folder is new");
    let any = Listen::tcp((HOME, 0).into());
    let listener = world.network().bind(&any).await.expect("a port is free");
    let Address::Tcp(address) = listener.address().expect("it listens") else {
        panic!("it listens by TCP");
    };
    Stage {
        world,
        listener,
        port: address.port(),
        scratch,
    }
}

impl Stage {
    /// The result of a probe while the backend does this with its connection.
    async fn probe<F: Future<Output = ()>>(
        &self,
        check: Check,
        timeout: Duration,
        serve: impl FnOnce(Socket) -> F,
    ) -> Result<(), ProbeFault> {
        let check = Check {
            port: self.port,
            ..check
        };
        let backend = async {
            let (client, _) = self.listener.accept().await.expect("it is connected to");
            serve(client).await;
            std::future::pending().await
        };
        crate::world::select! {
            result = probe(&self.world, &check, HOME, timeout) => result,
            () = backend => unreachable!("a backend is there for ever"),
        }
    }
}

fn run<T>(test: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime can be made").block_on(test)
}

#[test]
fn a_backend_that_accepts_and_stays_silent_fails() {
    let timeout = Duration::from_millis(50);
    let found = run(async {
        let stage = stage().await;
        let held = check(Protocol::Imap, TlsUse::No);
        stage
            .probe(held, timeout, |client| async move {
                let _kept_open = client;
                std::future::pending().await
            })
            .await
    });
    let silent = ProbeFault::Silent {
        to: "the connection",
        within: timeout,
    };
    assert_eq!(found, Err(silent));
}

#[test]
fn a_backend_that_closes_or_never_ends_its_line_fails() {
    run(async {
        let stage = stage().await;
        let imap = || check(Protocol::Imap, TlsUse::No);
        let closed = stage
            .probe(imap(), PATIENT, |client| async move { drop(client) })
            .await;
        assert_eq!(closed, Err(ProbeFault::Closed { to: "the connection" }));
        let endless = stage
            .probe(imap(), PATIENT, |mut client| async move {
                while client.write_all(&[b'x'; 4_096]).await.is_ok() {}
            })
            .await;
        assert_eq!(endless, Err(ProbeFault::TooMuch { to: "the connection" }));
    });
}

#[test]
fn a_port_where_nobody_listens_fails_and_one_where_somebody_does_is_enough_for_tcp() {
    run(async {
        let stage = stage().await;
        let tcp = check(Protocol::Tcp, TlsUse::No);
        let open = stage
            .probe(tcp.clone(), PATIENT, |client| async move { drop(client) })
            .await;
        assert_eq!(open, Ok(()));
        let nobody = Check {
            port: stage.port,
            ..tcp
        };
        let elsewhere = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));
        let refused = probe(&stage.world, &nobody, elsewhere, PATIENT).await;
        assert!(matches!(refused, Err(ProbeFault::Connect { .. })), "{refused:?}");
    });
}

/// A certificate for `imap.example.org` and its own CA, as PEM.
fn certificate() -> (TlsAcceptor, String) {
    let made = rcgen::generate_simple_self_signed(["imap.example.org".to_owned()]).expect("it can be made");
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("the provider has the usual versions")
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .expect("they belong together");
    (TlsAcceptor::from(Arc::new(config)), made.cert.pem())
}

/// Speaks IMAP, with TLS from the first byte or when asked.
async fn imap(mut client: Socket, acceptor: TlsAcceptor, is_tls_first: bool) {
    let mut some = [0; 100];
    if !is_tls_first {
        client
            .write_all(b"* OK ready\r\n")
            .await
            .expect("the probe is there");
        let count = client.read(&mut some).await.expect("the probe asks for TLS");
        assert_eq!(&some[..count], b"a1 STARTTLS\r\n");
        client
            .write_all(b"a1 OK begin\r\n")
            .await
            .expect("the probe is there");
    }
    // A probe that does not trust the certificate ends here.
    let Ok(mut secured) = acceptor.accept(client).await else {
        return;
    };
    if is_tls_first {
        let _ = secured.write_all(b"* OK ready\r\n").await;
    }
    let _ = secured.read(&mut some).await;
}

#[test]
fn tls_is_made_and_certificates_are_verified_when_a_ca_is_named() {
    let (acceptor, pem) = certificate();
    run(async {
        let stage = stage().await;
        let ca = stage.scratch.path().join("backends.pem");
        std::fs::write(&ca, pem).expect("the folder can be written");
        let trust = |name: Option<&str>| Trust::load(Some(&ca), name).expect("the file is good");
        for tls in [TlsUse::Tls, TlsUse::StartTls] {
            let with = |trust: Option<Trust>| {
                let plain = check(Protocol::Imap, tls);
                let trust = trust.unwrap_or_else(|| plain.trust.clone());
                stage.probe(Check { trust, ..plain }, PATIENT, |client| {
                    imap(client, acceptor.clone(), tls == TlsUse::Tls)
                })
            };
            assert_eq!(with(None).await, Ok(()), "{tls:?}");
            assert_eq!(
                with(Some(trust(Some("imap.example.org")))).await,
                Ok(()),
                "{tls:?}"
            );
            for wrong in [Some("pop3.example.org"), None] {
                let refused = with(Some(trust(wrong))).await;
                assert!(matches!(refused, Err(ProbeFault::Tls { .. })), "{refused:?}");
            }
        }
    });
}

#[test]
fn what_was_said_before_tls_is_not_taken_for_what_was_said_in_it() {
    let found = run(async {
        let stage = stage().await;
        let starttls = check(Protocol::Imap, TlsUse::StartTls);
        stage
            .probe(starttls, PATIENT, |mut client| async move {
                let both = b"* OK ready\r\na1 OK begin\r\na2 OK slipped in\r\n";
                client.write_all(both).await.expect("the probe is there");
                let _kept_open = client;
                std::future::pending().await
            })
            .await
    });
    assert_eq!(
        found,
        Err(ProbeFault::Refused {
            to: "STARTTLS",
            said: "a2 OK slipped in\\r\\n".to_owned()
        })
    );
}
