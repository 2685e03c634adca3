//! Holding a scripted conversation with a real director, and writing down what it says.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{sleep, spawn};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::real::{Admin, Real};
use crate::scripts::{Script, Step};
use crate::transcript::{Event, Transcript, Wire};

/// The director is taken to have said all when it says nothing for so long.
const QUIET: Duration = Duration::from_millis(250);

fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.expect("the clock is set").as_millis() as u64
}

/// The neighbour, with both connections.
struct Neighbour {
    peer: String,
    me: String,
    streams: [Option<TcpStream>; 2],
    heard: Receiver<(u64, Event)>,
    hears: Sender<(u64, Event)>,
    events: Vec<(u64, Event)>,
    last_sync: Option<String>,
}

/// Starts a director, becomes its only neighbour, and plays the script.
pub fn hold(script: &Script) -> Transcript {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let peer = listener.local_addr().expect("it is bound");
    let spare = TcpListener::bind("127.0.84.1:0").and_then(|spare| spare.local_addr());
    let me = spare.expect("a port");
    let real = Real::start(script.name, &settings(&me.to_string(), &peer.to_string()));
    let (hears, heard) = channel();
    let mut neighbour = Neighbour {
        peer: peer.to_string(),
        me: me.to_string(),
        streams: [None, None],
        heard,
        hears,
        events: Vec::new(),
        last_sync: None,
    };
    let mut admin = real.admin();
    let (stream, _) = listener.accept().expect("the director connects");
    neighbour.opened(Wire::Out, stream);
    neighbour.shake_hands(&mut admin);
    for step in script.steps {
        neighbour.play(*step, &mut admin);
    }
    neighbour.listen();
    Transcript {
        me: neighbour.me,
        peer: neighbour.peer,
        events: neighbour.events,
    }
}

fn settings(me: &str, peer: &str) -> String {
    let (ip, port) = me.split_once(':').expect("an address with a port");
    format!(
        "director_servers = {peer} {me}\ndirector_mail_servers = 10.2.0.1 10.2.0.2 10.2.0.3\n\
         director_user_expire = 60s\nservice director {{\n  unix_listener director-admin {{\n    mode = 0600\n  }}\n\
         \x20 inet_listener {{\n    address = {ip}\n    port = {port}\n  }}\n}}\n"
    )
}

impl Neighbour {
    fn opened(&mut self, wire: Wire, stream: TcpStream) {
        let reading = stream.try_clone().expect("a socket can be shared");
        self.streams[wire as usize] = Some(stream);
        self.events.push((now_ms(), Event::Open(wire)));
        let hears = self.hears.clone();
        spawn(move || {
            for line in BufReader::new(reading).lines() {
                let Ok(line) = line else { break };
                if hears.send((now_ms(), Event::From(wire, line))).is_err() {
                    return;
                }
            }
            // Nobody may listen any more.
            let _ = hears.send((now_ms(), Event::Closed(wire)));
        });
    }

    fn say(&mut self, wire: Wire, line: &str) {
        self.events.push((now_ms(), Event::To(wire, line.to_owned())));
        if let Some(stream) = &mut self.streams[wire as usize] {
            // A director that has closed shows that by its end of file.
            let _ = stream.write_all(format!("{line}\n").as_bytes());
        }
    }

    /// Writes down what comes until it is quiet; PINGs are answered.
    fn listen(&mut self) {
        while let Ok((at_ms, event)) = self.heard.recv_timeout(QUIET) {
            let ping = match &event {
                Event::From(wire, line) if line.starts_with("PING") => Some(*wire),
                _ => None,
            };
            if let Event::From(_, line) = &event
                && line.starts_with("SYNC")
            {
                self.last_sync = Some(line.clone());
            }
            self.events.push((at_ms, event));
            if let Some(wire) = ping {
                let pong = format!("PONG\t{}\t0", now_ms() / 1_000);
                self.say(wire, &pong);
            }
        }
    }

    fn shake_hands(&mut self, admin: &mut Admin) {
        self.listen();
        let peer = self.peer.replace(':', "\t");
        let greeting = [
            "VERSION\tdirector\t1\t9".to_owned(),
            format!("ME\t{peer}\t{}", now_ms() / 1_000),
        ];
        for line in &greeting {
            self.say(Wire::Out, line);
        }
        self.listen();
        self.say(Wire::Out, "DONE");
        self.listen();
        let stream = TcpStream::connect(&self.me).expect("the director listens");
        self.opened(Wire::In, stream);
        self.listen();
        for line in &greeting {
            self.say(Wire::In, line);
        }
        let hosts = ["10.2.0.1", "10.2.0.2", "10.2.0.3"].map(|ip| format!("HOST\t{ip}\t100\t\tU0\t"));
        let rest = ["OPTIONS\tconsistent-hashing", "DONE"].map(str::to_owned);
        let list = ["HOST-HAND-START\t0".to_owned()].into_iter().chain(hosts);
        for line in list.chain(["HOST-HAND-END\t0".to_owned()]).chain(rest) {
            self.say(Wire::In, &line);
        }
        self.listen();
        self.play(Step::Sync, admin);
    }

    fn play(&mut self, step: Step, admin: &mut Admin) {
        match step {
            Step::Say(wire, line) => {
                let line = self.filled(line);
                self.say(wire, &line);
            }
            Step::Sync => {
                if let Some(sync) = self.last_sync.take() {
                    self.say(Wire::In, &sync);
                }
            }
            Step::Admin(line) => {
                self.events.push((now_ms(), Event::Admin(line.to_owned())));
                admin.say(line);
                self.listen();
                // Changes of hosts are answered when the ring has seen them.
                self.play(Step::Sync, admin);
                admin.hear();
            }
        }
        self.listen();
        sleep(Duration::from_millis(20));
    }

    fn filled(&self, line: &str) -> String {
        let now_s = now_ms() / 1_000;
        let fields = line.split('\t').map(|field| match field.strip_prefix("NOW") {
            Some("") => now_s.to_string(),
            Some(before) => {
                let before: u64 = before.trim_start_matches('-').parse().expect("seconds");
                (now_s - before).to_string()
            }
            None if field == "PEER" => self.peer.replace(':', "\t"),
            None if field == "SELF" => self.me.replace(':', "\t"),
            None => field.to_owned(),
        });
        fields.collect::<Vec<_>>().join("\t")
    }
}
