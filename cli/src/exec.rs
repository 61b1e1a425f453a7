//! `portico exec`: a command in a container of a service.

use std::io::{IsTerminal, Read, Write};
use std::net::TcpStream;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use admin::wire::{Exec, Frame, InstanceStateDoc, MAX_FRAME, Named, StageDoc};
use clap::Args;
use serde::Serialize;

use crate::answer::Answer;
use crate::client::Client;
use crate::failure::Failure;
use crate::logs::meant;
use crate::named::{self, Kind};
use crate::terminal::{self, Raw};

const EXAMPLES: &str = "\
Examples:
  portico exec web -- ls /
  portico exec -i web/2 -- psql < dump.sql
  portico exec -ti web -- sh

Its exit code is the command's; where it begins with `error:` on standard error, portico's own. Of a service without INSTANCE it is the first \
one that is healthy. With --json at most 16 MiB of either output are kept: `cut` says whether there was more.";

/// How often a terminal is asked for its size.
const LOOK: Duration = Duration::from_millis(500);
/// The exit code once nobody reads any more what is printed: 128 and the number of SIGPIPE.
const UNREAD: i64 = 141;
/// How much of either output is kept with --json, in octets.
const KEPT: usize = 16 << 20;

/// Run a command in a container of a service
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct ExecArgs {
    /// The service, or one instance of it
    #[arg(value_name = "SERVICE[/INSTANCE]")]
    of: String,
    /// Give it a terminal
    #[arg(short, long)]
    terminal: bool,
    /// Give it what is on standard input
    #[arg(short, long)]
    input: bool,
    /// The command
    #[arg(trailing_var_arg = true, required = true, value_name = "WORD")]
    words: Vec<String>,
}

/// What a command said, with --json.
#[derive(Serialize)]
struct Said {
    instance: String,
    exit: i64,
    stdout: String,
    stderr: String,
    /// Whether it said more than is kept.
    cut: bool,
}

/// What a command says, as it comes: a character may begin in one frame and end in the next.
#[derive(Default)]
struct Kept {
    stdout: Vec<u8>,
    stderr: Vec<u8>,
    cut: bool,
}

impl Kept {
    fn keep(&mut self, octets: &[u8], is_error: bool) {
        let kept = if is_error { &mut self.stderr } else { &mut self.stdout };
        let fits = octets.len().min(KEPT - kept.len());
        kept.extend(&octets[..fits]);
        self.cut |= fits < octets.len();
    }

    /// All of it; what is no text is replaced.
    fn said(&self, instance: String, exit: i64) -> Said {
        let text = |octets: &[u8]| String::from_utf8_lossy(octets).into_owned();
        Said { instance, exit, stdout: text(&self.stdout), stderr: text(&self.stderr), cut: self.cut }
    }
}

/// Runs it.
pub(crate) fn run(args: &ExecArgs, client: &Client, as_json: bool) -> Result<Answer, Failure> {
    if args.terminal && !std::io::stdin().is_terminal() {
        return Err(Failure::Usage("standard input is no terminal; leave --terminal out".to_owned()));
    }
    if as_json && (args.terminal || args.input) {
        let why = "--json is about what is printed; leave --terminal and --input out";
        return Err(Failure::Usage(why.to_owned()));
    }
    let name = instance(&args.of, client)?;
    let (service, _) = name.split_once('/').unwrap_or((&name, ""));
    let asked = Exec { words: args.words.clone(), terminal: args.terminal, input: args.input };
    let path = format!("{}/exec", Kind::Instance.url_of(&name)?);
    let stream = client.upgrade(&path, &asked).map_err(|failure| meant(failure, service, &name, client))?;
    let raw = args.terminal.then(Raw::new).flatten();
    send_input(&stream, args, client)?;
    let mut kept = as_json.then(Kept::default);
    let code = follow(stream, client, kept.as_mut());
    drop(raw);
    let code = code?;
    let mut answer = match kept {
        Some(kept) => Answer::new(&kept.said(name, code), String::new())?,
        None => Answer { text: String::new(), json: String::new(), code: 0 },
    };
    // As a shell sees it: of what is no exit code, that something failed.
    answer.code = u8::try_from(code).unwrap_or(u8::MAX);
    Ok(answer)
}

/// The instance that is named, or the first of a service that is healthy, else that runs.
fn instance(of: &str, client: &Client) -> Result<String, Failure> {
    if of.contains('/') {
        return Ok(of.to_owned());
    }
    named::one(Kind::Service, of, client)?;
    let list = named::all(Kind::Instance, Some(of), client)?;
    let running = list.facts.views().iter().filter_map(|view| match &view.fact {
        Named::Instance(doc) => Some(doc),
        _ => None,
    });
    let running = running.filter(|doc| {
        doc.run.as_ref().is_some_and(|run| matches!(run.stage, StageDoc::Running | StageDoc::Adopted))
    });
    let is_healthy =
        |state: Option<InstanceStateDoc>| matches!(state, None | Some(InstanceStateDoc::Healthy));
    let best = running.min_by_key(|doc| !is_healthy(doc.state));
    best.map(|doc| format!("{of}/{}", doc.name)).ok_or_else(|| {
        let detail = format!("no instance of service {of} runs in a container that portico knows");
        Failure::refused(detail, format!("look at them with `portico instance ls {of}`"))
    })
}

/// Has what is read, and the size of the terminal, sent while the command runs.
fn send_input(stream: &TcpStream, args: &ExecArgs, client: &Client) -> Result<(), Failure> {
    let writer = stream.try_clone().map_err(|error| client.cut(&error))?;
    let writer = Arc::new(Mutex::new(writer));
    if !args.input {
        // Who does not read is told of no end, which would be one of the connection's.
        send(&writer, &Frame::End);
    }
    if args.terminal {
        let writer = Arc::clone(&writer);
        thread::spawn(move || {
            let mut told = None;
            loop {
                let size = terminal::size();
                if size != told
                    && let Some((rows, columns)) = size
                    && !send(&writer, &Frame::Size { rows, columns })
                {
                    return;
                }
                told = size;
                thread::sleep(LOOK);
            }
        });
    }
    if args.input {
        thread::spawn(move || {
            let (mut input, mut piece) = (std::io::stdin().lock(), vec![0; MAX_FRAME]);
            loop {
                let frame = match input.read(&mut piece) {
                    Ok(0) | Err(_) => Frame::End,
                    Ok(read) => Frame::Input(piece[..read].to_vec()),
                };
                if !send(&writer, &frame) || frame == Frame::End {
                    return;
                }
            }
        });
    }
    Ok(())
}

/// False: the connection is gone.
fn send(writer: &Mutex<TcpStream>, frame: &Frame) -> bool {
    writer.lock().unwrap_or_else(PoisonError::into_inner).write_all(&frame.encode()).is_ok()
}

/// Writes what the command prints, to its end; its exit code.
fn follow(mut stream: TcpStream, client: &Client, mut kept: Option<&mut Kept>) -> Result<i64, Failure> {
    loop {
        let frame = receive(&mut stream).map_err(|error| client.cut(&error))?;
        let (octets, is_error) = match frame {
            Frame::Exit(code) => return Ok(code),
            Frame::Failed(why) => {
                return Err(Failure::refused(
                    why,
                    "look at it with `portico logs` and `portico instance ls`",
                ));
            }
            Frame::Output(octets) => (octets, false),
            Frame::Error(octets) => (octets, true),
            _ => continue,
        };
        let written = match (&mut kept, is_error) {
            (Some(kept), is_error) => {
                kept.keep(&octets, is_error);
                Ok(())
            }
            (None, false) => write(&mut std::io::stdout().lock(), &octets),
            (None, true) => write(&mut std::io::stderr().lock(), &octets),
        };
        // As any program that writes to who reads no more. The connection's end is told to the command's engine.
        if written.is_err() {
            return Ok(UNREAD);
        }
    }
}

fn write(to: &mut impl Write, octets: &[u8]) -> std::io::Result<()> {
    to.write_all(octets)?;
    to.flush()
}

fn receive(stream: &mut TcpStream) -> std::io::Result<Frame> {
    let foreign = || std::io::Error::other("it sent what is no frame");
    let mut head = [0; 5];
    stream.read_exact(&mut head)?;
    let mut rest = vec![0; Frame::rest(head).ok_or_else(foreign)?];
    stream.read_exact(&mut rest)?;
    Frame::decode(head[0], rest).ok_or_else(foreign)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_text_across_frames_and_says_where_it_is_not_all() {
        let mut kept = Kept::default();

        let euro = "5 \u{20ac}".as_bytes();
        euro.chunks(3).for_each(|frame| kept.keep(frame, false));
        kept.keep(&vec![b'x'; KEPT], true);
        let whole = kept.said("web/1".to_owned(), 0);
        kept.keep(b"y", true);
        let cut = kept.said("web/1".to_owned(), 0);

        assert_eq!((whole.stdout.as_str(), whole.stderr.len(), whole.cut), ("5 \u{20ac}", KEPT, false));
        assert_eq!((cut.stderr.len(), cut.cut), (KEPT, true));
    }
}
