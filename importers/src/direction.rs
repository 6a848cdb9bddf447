//! The direction of a mapping.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Who accesses the memory of a mapping, as the source says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Direction {
    /// The device reads: `DMA_TO_DEVICE`, or an output queue.
    ToDevice,
    /// The device writes: `DMA_FROM_DEVICE`, or a capture queue.
    FromDevice,
    /// Both: `DMA_BIDIRECTIONAL`, or a queue that is set to it.
    Bidirectional,
    /// An expression: one function serves several directions.
    Variable,
}

impl Direction {
    /// All of them.
    pub const ALL: [Direction; 4] =
        [Direction::ToDevice, Direction::FromDevice, Direction::Bidirectional, Direction::Variable];

    /// The direction that an argument of type `enum dma_data_direction` names.
    pub fn of_argument(text: &str) -> Direction {
        match text {
            "DMA_TO_DEVICE" => Direction::ToDevice,
            "DMA_FROM_DEVICE" => Direction::FromDevice,
            "DMA_BIDIRECTIONAL" => Direction::Bidirectional,
            _ => Direction::Variable,
        }
    }

    /// The direction of a V4L2 queue whose `type` is one of these expressions. `vb2_core_queue_init()` maps an output queue
    /// DMA_TO_DEVICE and every other DMA_FROM_DEVICE.
    pub fn of_queue_types(types: &[String]) -> Direction {
        let constants = |text: &str| -> Vec<String> {
            let text = text.trim_start_matches('(').trim_end_matches(')');
            let values = text.split_once('?').map_or(text, |(_, values)| values);
            values.split(':').map(|value| value.trim().to_string()).collect()
        };
        let values: Vec<String> = types.iter().flat_map(|text| constants(text)).collect();
        let names = |word: &str| {
            values.iter().all(|value| {
                let constant = value.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_');
                constant && value.contains(word)
            })
        };
        match types {
            [] => Direction::Variable,
            _ if names("_OUTPUT") => Direction::ToDevice,
            _ if names("_CAPTURE") => Direction::FromDevice,
            _ => Direction::Variable,
        }
    }

    /// The word in tables.
    pub fn word(self) -> &'static str {
        match self {
            Direction::ToDevice => "to-device",
            Direction::FromDevice => "from-device",
            Direction::Bidirectional => "bidirectional",
            Direction::Variable => "variable",
        }
    }

    /// The direction of a word in a table.
    pub fn of_word(word: &str) -> Option<Direction> {
        Direction::ALL.into_iter().find(|direction| direction.word() == word)
    }
}

impl fmt::Display for Direction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(types: &[&str]) -> Direction {
        Direction::of_queue_types(&types.iter().map(ToString::to_string).collect::<Vec<_>>())
    }

    #[test]
    fn queue_types_have_directions() {
        assert_eq!(of(&["V4L2_BUF_TYPE_VIDEO_OUTPUT_MPLANE"]), Direction::ToDevice);
        assert_eq!(of(&["V4L2_BUF_TYPE_VIDEO_CAPTURE", "V4L2_BUF_TYPE_VBI_CAPTURE"]), Direction::FromDevice);
        assert_eq!(of(&["V4L2_BUF_TYPE_VIDEO_CAPTURE", "V4L2_BUF_TYPE_VIDEO_OUTPUT"]), Direction::Variable);
        assert_eq!(of(&["is_output ? V4L2_BUF_TYPE_VIDEO_OUTPUT : V4L2_BUF_TYPE_VIDEO_CAPTURE"]), Direction::Variable);
        assert_eq!(of(&["mp ? V4L2_BUF_TYPE_VIDEO_OUTPUT_MPLANE : V4L2_BUF_TYPE_VIDEO_OUTPUT"]), Direction::ToDevice);
        assert_eq!(of(&["node->buf_type"]), Direction::Variable);
        assert_eq!(of(&[]), Direction::Variable);
    }

    #[test]
    fn only_constants_are_directions() {
        assert_eq!(Direction::of_argument("DMA_FROM_DEVICE"), Direction::FromDevice);
        assert_eq!(Direction::of_argument("buf->dma_dir"), Direction::Variable);
    }
}
