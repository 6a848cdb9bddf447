//! `cargo xtask complaints`: what the suite would say about a kernel log. Needs no kernel.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use harness::error::{Context, Error, ErrorKind, Result, io};
use harness::exit_code::ExitCode;
use harness::host::style::{printable, wrap};
use harness::judge::complaint::foreign::{as_console, kernel_version};
use harness::judge::complaint::suppressions::Suppressions;
use harness::judge::complaint::{Complaint, is_noise, scan};

use crate::flags::ComplaintsArgs;

/// Maximum size of a log, in bytes.
const LIMIT: u64 = 256 << 20;
const MARGIN: &str = "       ";

/// Prints the complaints. The exit code is [`ExitCode::Violated`] if there are any that are not suppressed.
///
/// # Errors
/// [`ErrorKind::Usage`] when there is no such file, or it is too large.
pub fn run(args: &ComplaintsArgs) -> Result<ExitCode> {
    let console = as_console(&String::from_utf8_lossy(&contents(&args.file)?));
    let mut complaints = scan(console.as_bytes());
    if let Some(version) = kernel_version(&console) {
        Suppressions::built_in()?.apply(&mut complaints, version);
    }
    if args.json {
        let json = serde_json::to_string_pretty(&complaints);
        println!("{}", json.context(ErrorKind::Internal, || "encoding the complaints".into())?);
    } else {
        print(&complaints);
    }
    let counts = complaints.iter().any(|complaint| complaint.suppressed.is_none());
    Ok(if counts { ExitCode::Violated } else { ExitCode::AsExpected })
}

fn contents(path: &Path) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let read = match path == Path::new("-") {
        true => std::io::stdin().take(LIMIT + 1).read_to_end(&mut bytes),
        false => {
            let missing = |error: std::io::Error| {
                Error::new(ErrorKind::Usage, format!("{} cannot be read", path.display()))
                    .cause(error.to_string())
                    .next("Name a file with kernel messages, or - for standard input.")
            };
            File::open(path).map_err(missing)?.take(LIMIT + 1).read_to_end(&mut bytes)
        }
    };
    read.map_err(|error| io(&error, "reading", path))?;
    if bytes.len() as u64 > LIMIT {
        return Err(Error::new(ErrorKind::Usage, format!("{} is too large for a log", path.display()))
            .cause(format!("more than {} MiB", LIMIT >> 20))
            .next("Cut out the part with the complaint."));
    }
    Ok(bytes)
}

fn print(complaints: &[Complaint]) {
    match complaints.len() {
        0 => println!("no complaint of the kernel"),
        1 => println!("1 complaint of the kernel"),
        count => println!("{count} complaints of the kernel"),
    }
    for (index, complaint) in complaints.iter().enumerate() {
        let function = complaint.frame.as_ref().map(|name| format!(" in {name}()")).unwrap_or_default();
        println!("\n{:>4}.  {}{function}", index + 1, complaint.kind.name());
        println!("{MARGIN}{}", wrap(&complaint.title, MARGIN));
        if let Some(case) = &complaint.case {
            println!("{MARGIN}during the case {case}");
        }
        if let Some(reason) = &complaint.suppressed {
            println!("{MARGIN}suppressed: {}", wrap(reason, MARGIN));
        }
        if !complaint.trace.is_empty() {
            println!("{MARGIN}trace: {}", wrap(&complaint.trace.join(" < "), MARGIN));
        }
        for line in complaint.lines.iter().filter(|line| !is_noise(line)) {
            println!("{MARGIN}| {}", printable(line));
        }
    }
}
