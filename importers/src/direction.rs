//! The direction of a mapping.

use std::fmt;

use serde::{Deserialize, Serialize};
use strum::{EnumString, IntoStaticStr};

/// Who accesses the memory of a mapping, as the source says it.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, EnumString, IntoStaticStr,
)]
#[serde(rename_all = "kebab-case")]
#[strum(serialize_all = "kebab-case")]
pub enum DmaDirection {
    /// The device reads: `DMA_TO_DEVICE`, or an output queue.
    ToDevice,
    /// The device writes: `DMA_FROM_DEVICE`, or a capture queue.
    FromDevice,
    /// Both: `DMA_BIDIRECTIONAL`, or a queue that is set to it.
    Bidirectional,
    /// An expression: one function serves several directions.
    Variable,
}

impl DmaDirection {
    /// The direction that an argument of type `enum dma_data_direction` names.
    pub fn of_argument(text: &str) -> DmaDirection {
        match text {
            "DMA_TO_DEVICE" => DmaDirection::ToDevice,
            "DMA_FROM_DEVICE" => DmaDirection::FromDevice,
            "DMA_BIDIRECTIONAL" => DmaDirection::Bidirectional,
            _ => DmaDirection::Variable,
        }
    }

    /// The direction of a V4L2 queue whose `type` is one of these expressions. `vb2_core_queue_init()` maps an output queue
    /// DMA_TO_DEVICE and every other DMA_FROM_DEVICE.
    pub fn of_queue_types(types: &[String]) -> DmaDirection {
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
            [] => DmaDirection::Variable,
            _ if names("_OUTPUT") => DmaDirection::ToDevice,
            _ if names("_CAPTURE") => DmaDirection::FromDevice,
            _ => DmaDirection::Variable,
        }
    }

    /// The word in tables.
    pub fn word(self) -> &'static str {
        self.into()
    }

    /// The direction of a word in a table.
    pub fn of_word(word: &str) -> Option<DmaDirection> {
        word.parse().ok()
    }
}

impl fmt::Display for DmaDirection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(types: &[&str]) -> DmaDirection {
        DmaDirection::of_queue_types(&types.iter().map(ToString::to_string).collect::<Vec<_>>())
    }

    #[test]
    fn queue_types_have_directions() {
        assert_eq!(of(&["V4L2_BUF_TYPE_VIDEO_OUTPUT_MPLANE"]), DmaDirection::ToDevice);
        assert_eq!(of(&["V4L2_BUF_TYPE_VIDEO_CAPTURE", "V4L2_BUF_TYPE_VBI_CAPTURE"]), DmaDirection::FromDevice);
        assert_eq!(of(&["V4L2_BUF_TYPE_VIDEO_CAPTURE", "V4L2_BUF_TYPE_VIDEO_OUTPUT"]), DmaDirection::Variable);
        assert_eq!(
            of(&["is_output ? V4L2_BUF_TYPE_VIDEO_OUTPUT : V4L2_BUF_TYPE_VIDEO_CAPTURE"]),
            DmaDirection::Variable
        );
        assert_eq!(
            of(&["mp ? V4L2_BUF_TYPE_VIDEO_OUTPUT_MPLANE : V4L2_BUF_TYPE_VIDEO_OUTPUT"]),
            DmaDirection::ToDevice
        );
        assert_eq!(of(&["node->buf_type"]), DmaDirection::Variable);
        assert_eq!(of(&[]), DmaDirection::Variable);
    }

    #[test]
    fn only_constants_are_directions() {
        assert_eq!(DmaDirection::of_argument("DMA_FROM_DEVICE"), DmaDirection::FromDevice);
        assert_eq!(DmaDirection::of_argument("buf->dma_dir"), DmaDirection::Variable);
    }
}
