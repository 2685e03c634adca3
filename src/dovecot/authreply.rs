//! The authreply door: an external auth front-end sends its finished replies and gets them back, completed.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use memchr::memchr;
use tokio::io::{AsyncRead, AsyncReadExt};

use super::answers::{Answers, Shared};
use super::broken::{Broken, write_all};
use super::door::{Door, StreamOf, open};
use super::{Completes, Counters, Desk, LINE_BYTES_MAX, LineTooLong, MarksHash, Rule, WaitLimits};
use crate::world::{Clock, Listen, Stream, World, deadline};

/// What the door says first.
const GREETING: &[u8] = b"VERSION\tdirector-authreply-server\t1\t0\n";

/// What the client says first, with any minor version after it.
const CLIENT_GREETING: &str = "VERSION\tdirector-authreply-client\t1\t";

/// How long the client may take to say so.
const GREETING_MAX: Duration = Duration::from_secs(30);

/// An authreply door.
#[derive(Clone, Debug)]
pub struct AuthreplySettings {
    /// Where front-ends connect.
    pub listen: Listen,
    /// As in [`Rule`].
    pub master_user_separator: Option<u8>,
    /// As in [`Rule`].
    pub marks_hash: MarksHash,
    /// Connections at a time.
    pub connections_max: usize,
    /// What each may keep aside.
    pub limits: WaitLimits,
}

/// Opens an authreply door.
///
/// # Errors
/// The socket can't be opened.
pub async fn open_authreply<W: World, D: Desk>(
    world: W,
    desk: D,
    settings: AuthreplySettings,
) -> io::Result<Door> {
    let counters = Arc::new(Counters::default());
    let shared = Shared {
        world: world.clone(),
        desk,
        counters: counters.clone(),
        door: settings.listen.address.clone(),
    };
    let rule = Rule {
        completes: Completes::Ok,
        master_user_separator: settings.master_user_separator,
        marks_hash: settings.marks_hash,
    };
    let limits = settings.limits;
    let serve = move |client| {
        let (shared, rule) = (shared.clone(), rule.clone());
        async move {
            let answers = Answers::new(shared.clone(), rule, limits);
            shared.ended(converse(&shared, answers, client).await);
        }
    };
    open(world, &settings.listen, settings.connections_max, counters, serve).await
}

async fn converse<W: World, D: Desk>(
    shared: &Shared<W, D>,
    mut answers: Answers<W, D>,
    client: StreamOf<W>,
) -> Result<(), Broken> {
    let (mut reading, mut writing) = client.into_split();
    let clock = shared.world.clock();
    if !write_all(clock, "client", &mut writing, GREETING).await? {
        return Ok(());
    }
    let until = clock.now().plus(GREETING_MAX);
    let stranger = Broken::Stranger {
        wanted: CLIENT_GREETING,
    };
    let Ok(greeted) = deadline(clock, until, greeting(&mut reading)).await else {
        return Err(stranger);
    };
    let Some((line, rest)) = greeted? else {
        return Ok(());
    };
    if !is_greeting(&line) {
        return Err(stranger);
    }
    answers.push(&rest);
    answers.run(reading, writing).await
}

/// The first line, and what was read behind it; none when the client closes before.
async fn greeting(reading: &mut (impl AsyncRead + Unpin)) -> Result<Option<(Vec<u8>, Vec<u8>)>, Broken> {
    let mut bytes = Vec::with_capacity(256);
    loop {
        if let Some(end) = memchr(b'\n', &bytes) {
            let rest = bytes.split_off(end + 1);
            return Ok(Some((bytes, rest)));
        }
        if bytes.len() > LINE_BYTES_MAX {
            return Err(LineTooLong.into());
        }
        match reading.read_buf(&mut bytes).await {
            Ok(0) => return Ok(None),
            Ok(_) => {}
            Err(error) => return Broken::from_socket(error).map(|()| None),
        }
    }
}

fn is_greeting(line: &[u8]) -> bool {
    let minor = line
        .strip_prefix(CLIENT_GREETING.as_bytes())
        .map(<[u8]>::trim_ascii_end);
    minor.is_some_and(|minor| !minor.is_empty() && minor.iter().all(u8::is_ascii_digit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn greeting_has_the_right_name_and_major_version() {
        assert!(is_greeting(b"VERSION\tdirector-authreply-client\t1\t0\n"));
        assert!(is_greeting(b"VERSION\tdirector-authreply-client\t1\t7\r\n"));
        for wrong in [
            "VERSION\tdirector-authreply-client\t2\t0\n",
            "VERSION\tdirector-authreply-server\t1\t0\n",
            "VERSION\tdirector-authreply-client\t1\tx\n",
            "VERSION\tdirector-authreply-client\t1\t\n",
            "garbage\n",
            "\n",
        ] {
            assert!(!is_greeting(wrong.as_bytes()), "{wrong:?}");
        }
    }
}
