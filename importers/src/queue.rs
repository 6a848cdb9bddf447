//! V4L2 queues that take dma-bufs. What a queue is follows from assignments before it is initialised, in the same function:
//!
//! ```c
//! q = &dev->queue;
//! q->type = V4L2_BUF_TYPE_VIDEO_CAPTURE;
//! q->io_modes = VB2_MMAP | VB2_DMABUF;
//! q->mem_ops = &vb2_vmalloc_memops;
//! vb2_queue_init(q);
//! ```
//!
//! A queue can also be a copy of an initialised structure, or be initialised by a function of the same file that gets it as its
//! last argument. A queue whose `io_modes` cannot be found is listed, and its detail says so.

use std::collections::HashMap;

use crate::direction::DmaDirection;
use crate::site::{CallSite, SiteKind};
use crate::syntax::{Assignment, Call, SourceFile, is_off, is_word};
use crate::vocabulary::{QUEUE_FLAG, QUEUE_INIT, QUEUE_OWN};

/// The detail of a queue whose modes are not known.
pub const UNKNOWN: &str = "io_modes not found";

/// The queues of a file that take dma-bufs, or may take them.
pub fn queues(path: &str, file: &SourceFile) -> Vec<CallSite> {
    if path.starts_with(QUEUE_OWN) {
        return Vec::new();
    }
    let direct = file.calls.iter().filter(|call| QUEUE_INIT.contains(&call.name.as_str()));
    let mut places = Vec::new();
    for init in direct {
        let mut queue = Queue::before(file, init);
        queue.copy_of(file, init);
        let incomplete = queue.io_modes.is_empty() || queue.types.is_empty();
        let callers = if incomplete { callers(file, init) } else { Vec::new() };
        match callers[..] {
            [] => places.extend(queue.place(path, init, init)),
            ref callers => {
                let of = |call: &&Call| queue.over(&Queue::before(file, call)).place(path, init, call);
                places.extend(callers.iter().filter_map(of));
            }
        }
    }
    places
}

/// Calls in this file of the function that contains `init`, if it gets the queue as its last argument.
fn callers<'a>(file: &'a SourceFile, init: &Call) -> Vec<&'a Call> {
    let name = &init.at.within;
    // A parameter has no assignment in the function.
    let parameter = init.arguments.first().is_some_and(|queue| {
        queue.chars().all(is_word)
            && !file
                .assignments
                .iter()
                .any(|set| set.at.within == *name && set.field.is_empty() && set.object == *queue)
    });
    file.calls.iter().filter(|call| parameter && call.name == *name).collect()
}

/// The values that fields of a queue may have.
#[derive(Clone, Debug, Default)]
struct Queue {
    types: Vec<String>,
    io_modes: Vec<String>,
    mem_ops: Vec<String>,
    bidirectional: Vec<String>,
}

impl Queue {
    /// What is assigned before a call to the queue that the call gets as its first or last argument.
    fn before(file: &SourceFile, call: &Call) -> Queue {
        let argument =
            if QUEUE_INIT.contains(&call.name.as_str()) { call.arguments.first() } else { call.arguments.last() };
        let mut queue = Queue::default();
        let Some(argument) = argument else { return queue };
        let mut aliases: HashMap<&str, String> = HashMap::new();
        let earlier: Vec<&Assignment> = earlier(file, call).collect();
        for set in &earlier {
            if set.field.is_empty() && set.operator == "=" {
                aliases.insert(&set.object, resolved(&set.value, &aliases));
            }
        }
        let wanted = resolved(argument, &aliases);
        aliases.clear();
        for set in earlier {
            if set.field.is_empty() {
                aliases.insert(&set.object, resolved(&set.value, &aliases));
            } else if resolved(&set.object, &aliases) == wanted {
                queue.set(set, call);
            }
        }
        queue
    }

    fn field(&mut self, name: &str) -> Option<&mut Vec<String>> {
        match name {
            "type" => Some(&mut self.types),
            "io_modes" => Some(&mut self.io_modes),
            "mem_ops" => Some(&mut self.mem_ops),
            "bidirectional" => Some(&mut self.bidirectional),
            _ => None,
        }
    }

    fn set(&mut self, set: &Assignment, call: &Call) {
        let Some(values) = self.field(&set.field) else { return };
        if set.operator == "=" && set.at.always_before(&call.at) {
            values.clear();
        }
        values.push(set.value.clone());
    }

    /// These values, and where there are none, those of the caller.
    fn over(&self, outer: &Queue) -> Queue {
        let of = |own: &Vec<String>, outer: &Vec<String>| if own.is_empty() { outer.clone() } else { own.clone() };
        Queue {
            types: of(&self.types, &outer.types),
            io_modes: of(&self.io_modes, &outer.io_modes),
            mem_ops: of(&self.mem_ops, &outer.mem_ops),
            bidirectional: of(&self.bidirectional, &outer.bidirectional),
        }
    }

    /// Adds the fields of an initialised structure that is copied to the queue.
    fn copy_of(&mut self, file: &SourceFile, init: &Call) {
        let Some(argument) = init.arguments.first() else { return };
        let argument = resolved(argument, &HashMap::new());
        let copied = earlier(file, init).find(|set| format!("{}->{}", set.object, set.field) == argument);
        for field in file.fields.iter().filter(|field| copied.is_some_and(|set| set.value == field.at.within)) {
            if let Some(values) = self.field(&field.name).filter(|values| values.is_empty()) {
                values.push(field.value.clone());
            }
        }
    }

    /// Whether user space can queue dma-bufs; `None` if that is not known.
    fn takes_dma_bufs(&self) -> Option<bool> {
        if self.io_modes.iter().any(|modes| modes.contains(QUEUE_FLAG)) {
            return Some(true);
        }
        let flags = |modes: &String| modes.split('|').all(|flag| flag.trim().starts_with("VB2_"));
        (!self.io_modes.is_empty() && self.io_modes.iter().all(flags)).then_some(false)
    }

    fn direction(&self) -> DmaDirection {
        let set = self.bidirectional.iter().any(|value| !is_off(value));
        if set { DmaDirection::Bidirectional } else { DmaDirection::of_queue_types(&self.types) }
    }

    fn place(&self, path: &str, init: &Call, call: &Call) -> Option<CallSite> {
        let takes = self.takes_dma_bufs();
        let mut detail = self.mem_ops.iter().map(|ops| ops.replace('&', "")).collect::<Vec<_>>().join(" or ");
        if takes.is_none() {
            detail = [detail.as_str(), UNKNOWN]
                .iter()
                .filter(|text| !text.is_empty())
                .copied()
                .collect::<Vec<_>>()
                .join(", ");
        }
        (takes != Some(false)).then(|| CallSite {
            kind: SiteKind::Queue,
            what: init.name.clone(),
            file: path.to_string(),
            function: call.at.within.clone(),
            line: call.at.line,
            direction: Some(self.direction()),
            detail,
        })
    }
}

/// Assignments before a call, in its function.
fn earlier<'a>(file: &'a SourceFile, call: &'a Call) -> impl Iterator<Item = &'a Assignment> {
    file.assignments.iter().filter(|set| set.at.within == call.at.within && set.at.byte < call.at.byte)
}

/// The object that an expression names: `&dev->queue`, or a variable that points to it.
fn resolved(text: &str, aliases: &HashMap<&str, String>) -> String {
    let plain = text.trim_start_matches(['&', '*', '(']).trim_end_matches(')').replace('.', "->");
    aliases.get(plain.as_str()).cloned().unwrap_or(plain)
}
