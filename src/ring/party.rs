//! What every connection of a member needs: the world, the settings, TLS, and the hub.

use std::net::SocketAddr;
use std::sync::Arc;

use rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::event::Direction;
use super::greeting::{Agreed, Greeting, agree};
use super::handshake::{Ends, Parted, hear, meet};
use super::hub::Hub;
use super::incoming::Incoming;
use super::link;
use super::refusal::Refusal;
use super::settings::{RingError, RingSettings, Security};
use super::tls::{Tls, member_name};
use crate::topology::MemberId;
use crate::world::{Address, Clock, Instant, Network, Stream, World, deadline, has_name};

type StreamOf<W> = <<W as World>::Network as Network>::Stream;

/// What every connection of a member needs.
#[derive(Clone)]
pub(super) struct Party<W: World> {
    pub world: W,
    pub settings: Arc<RingSettings>,
    pub hub: Arc<Hub>,
    sides: Option<Sides>,
}

#[derive(Clone)]
struct Sides {
    tls: Arc<Tls>,
    connector: TlsConnector,
    acceptor: TlsAcceptor,
}

/// Told when a dialled connection has become a link.
pub(super) type OnLink = Box<dyn FnOnce() + Send>;

impl<W: World> Party<W> {
    pub fn new(world: W, settings: Arc<RingSettings>, hub: Arc<Hub>) -> Result<Self, RingError> {
        let sides = match &settings.security {
            Security::Insecure => None,
            Security::Tls(tls) => {
                tls.check_own_name(&member_name(&settings.cluster, settings.me)?)?;
                let (connector, acceptor) = tls.sides(world.clock().clone())?;
                let tls = Arc::clone(tls);
                Some(Sides {
                    tls,
                    connector,
                    acceptor,
                })
            }
        };
        Ok(Party {
            world,
            settings,
            hub,
            sides,
        })
    }

    pub fn now(&self) -> Instant {
        self.world.clock().now()
    }

    /// Dials a member and keeps the link; ends when it does, or with the reason why there was none.
    pub async fn dial(self, id: MemberId, address: SocketAddr, on_link: OnLink) -> Result<(), Parted> {
        let clock = self.world.clock();
        let until = self.now().plus(self.settings.limits.connect_within);
        let address = Address::Tcp(address);
        let connected = deadline(clock, until, self.world.network().connect(&address, None)).await;
        let unreachable = |why: String| Parted::from(Refusal::Unreachable { why });
        let stream = connected
            .map_err(|error| unreachable(error.to_string()))?
            .map_err(|error| unreachable(error.to_string()))?;
        let until = self.now().plus(self.settings.limits.handshake_within);
        let Some(sides) = &self.sides else {
            let (reader, writer) = stream.into_split();
            return self.talk(reader, writer, None, Some((id, on_link)), until).await;
        };
        let name = member_name(&self.settings.cluster, id).map_err(|error| tls_refusal(error.to_string()))?;
        let name = ServerName::try_from(name).map_err(|error| tls_refusal(error.to_string()))?;
        let secured = deadline(clock, until, sides.connector.connect(name, stream)).await;
        let stream = secured
            .map_err(|error| tls_refusal(error.to_string()))?
            .map_err(|error| tls_refusal(sides.tls.explain(&error)))?;
        let certificate = peer_certificate(stream.get_ref().1.peer_certificates());
        let (reader, writer) = tokio::io::split(stream);
        self.talk(reader, writer, certificate, Some((id, on_link)), until)
            .await
    }

    /// Lets in who came; ends with the link, or with the reason why there was none.
    pub async fn admit(self, stream: StreamOf<W>) -> Result<(), Parted> {
        let until = self.now().plus(self.settings.limits.handshake_within);
        let Some(sides) = &self.sides else {
            let (reader, writer) = stream.into_split();
            return self.talk(reader, writer, None, None, until).await;
        };
        let secured = deadline(self.world.clock(), until, sides.acceptor.accept(stream)).await;
        let stream = secured
            .map_err(|error| tls_refusal(error.to_string()))?
            .map_err(|error| tls_refusal(sides.tls.explain(&error)))?;
        let certificate = peer_certificate(stream.get_ref().1.peer_certificates());
        let (reader, writer) = tokio::io::split(stream);
        self.talk(reader, writer, certificate, None, until).await
    }

    /// Greets, and keeps the link that comes of it.
    async fn talk<R, S>(
        &self,
        reader: R,
        writer: S,
        certificate: Option<CertificateDer<'static>>,
        dialled: Option<(MemberId, OnLink)>,
        until: Instant,
    ) -> Result<(), Parted>
    where
        R: tokio::io::AsyncRead + Unpin + Send,
        S: tokio::io::AsyncWrite + Unpin + Send,
    {
        let mut ends = Ends {
            incoming: Incoming::new(reader),
            writer,
        };
        let (expected, direction) = match &dialled {
            Some((id, _)) => (Some(*id), Direction::Dialled),
            None => (None, Direction::Accepted),
        };
        let mine = Greeting::of(&self.settings, &self.hub.circle(), expected);
        let judge = |theirs: &Greeting| self.judge(&mine, theirs, expected, certificate.as_ref());
        let silent = |_| Refusal::Broken {
            why: "it did not finish its greeting in time".to_owned(),
        };
        let clock = self.world.clock();
        let met = deadline(clock, until, meet(&mut ends, &mine, direction, judge)).await;
        let judged = met.map_err(silent)??;
        let heard = deadline(clock, until, hear(&mut ends, &judged)).await;
        let agreed = judged.verdict?;
        let parted = |why| Parted {
            peer: Some(agreed.peer),
            why,
        };
        heard.map_err(silent).map_err(parted)?.map_err(parted)?;
        let place = self.hub.join(agreed, direction, self.now());
        if let Some((_, on_link)) = dialled {
            on_link();
        }
        link::keep(self, ends, place).await;
        Ok(())
    }

    fn judge(
        &self,
        mine: &Greeting,
        theirs: &Greeting,
        expected: Option<MemberId>,
        certificate: Option<&CertificateDer<'_>>,
    ) -> Result<Agreed, Refusal> {
        let agreed = agree(mine, theirs, expected, |id| self.hub.circle().peer(id).is_some())?;
        if self.sides.is_some() {
            let name = member_name(&self.settings.cluster, agreed.peer);
            let name = name.map_err(|error| Refusal::Tls {
                why: error.to_string(),
            })?;
            if !certificate.is_some_and(|certificate| has_name(certificate, &name)) {
                let said = agreed.peer;
                return Err(Refusal::Certificate { said, name });
            }
        }
        Ok(agreed)
    }
}

fn peer_certificate(chain: Option<&[CertificateDer<'_>]>) -> Option<CertificateDer<'static>> {
    Some(chain?.first()?.clone().into_owned())
}

fn tls_refusal(why: String) -> Parted {
    Parted::from(Refusal::Tls { why })
}
