//! DERIVE in the uAPI header of a tree.
//!
//! The header decides how the ioctl is called, so a series with another number or another structure is judged in full. The
//! layout of the structure comes from the compiler (`cases/kernel/derive.h`).

use regex::Regex;

use crate::error::{Error, ErrorKind};

/// The path of the header in the tree.
pub const PATH: &str = "include/uapi/linux/dma-buf.h";

/// Whether a header defines the ioctl.
pub fn defines_derive(header: &str) -> bool {
    regex(r"(?m)^[ \t]*#[ \t]*define[ \t]+DMA_BUF_IOCTL_DERIVE\b").is_match(header)
}

/// The error of a build that failed because the structure does not have the members that the cases use.
pub fn uncallable(output: &str) -> Option<Error> {
    let error = regex(r"(?m)^\S*\bconformance/derive\.h:\d+:\d+: error: (.*)$");
    let mut words: Vec<&str> = error.captures_iter(output).filter_map(|found| Some(found.get(1)?.as_str())).collect();
    words.dedup();
    let (first, more) = words.split_first()?;
    Some(Error::new(ErrorKind::Patch, format!("{PATH} does not define DERIVE as the cases need it: {first}")).cause(more.join("\n")).next(
        "The structure in the definition of DMA_BUF_IOCTL_DERIVE needs the members flags and fd. Their offsets and sizes do \
         not matter.",
    ))
}

fn regex(pattern: &str) -> Regex {
    Regex::new(pattern).expect("a valid pattern")
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::host::process::Cmd;

    const REQUEST: &str = "_IOWR('b', 4, struct dma_buf_alias)";

    /// The output of a program that is compiled with this definition and the test importer's header.
    fn compiled(request: &str, body: &str) -> Result<String, String> {
        let dir = tempfile::tempdir().unwrap();
        let (source, program) = (dir.path().join("x.c"), dir.path().join("x"));
        let text = format!(
            "#include <stdio.h>\n#include <linux/types.h>\n#include <linux/ioctl.h>\n\
             #define DMA_BUF_IOCTL_DERIVE {request}\nstruct dma_buf_alias {{ {body} }};\n#include \"conformance/derive.h\"\n\
             int main() {{ return !printf(\"%x, %d: %d %d, %d %d\", dbc_derive_cmd, DBC_DERIVE_SIZE, DBC_FLAGS_OFFSET, \
             DBC_FLAGS_SIZE, DBC_FD_OFFSET, DBC_FD_SIZE); }}\n"
        );
        std::fs::write(&source, text).unwrap();
        std::os::unix::fs::symlink(
            Path::new(env!("CARGO_MANIFEST_DIR")).join("../cases/kernel"),
            dir.path().join("conformance"),
        )
        .unwrap();
        let gcc = Cmd::new("gcc").args(["-Wall", "-Werror"]).arg("-o").path(&program).path(&source);
        let output = gcc.run().unwrap();
        if !output.status.success() {
            return Err(output.text);
        }
        Ok(Cmd::new(program.to_string_lossy()).run().unwrap().text.trim().to_string())
    }

    #[test]
    fn members_are_found_in_every_kind_of_declaration() {
        for (body, found) in [
            ("__u32 flags; __s32 fd;", "c0086204, 8: 0 4, 4 4"),
            ("__s32 fd; __u64 flags __attribute__((aligned(8)));", "c0106204, 16: 8 8, 0 4"),
            ("__u32 flags, reserved[3]; signed int fd;", "c0146204, 20: 0 4, 16 4"),
            (
                "union { struct { __u16 flags; __u16 mode; }; __u32 all; };\n#if 1\n__s64 fd;\n#endif\n",
                "c0106204, 16: 0 2, 8 8",
            ),
        ] {
            assert_eq!(compiled(REQUEST, body).as_deref(), Ok(found), "{body}");
        }
        assert_eq!(
            compiled("_IOW('x', 7, struct dma_buf_alias)", "int flags, fd;").as_deref(),
            Ok("40087807, 8: 0 4, 4 4")
        );
    }

    #[test]
    fn the_error_names_a_missing_member() {
        let error = uncallable(&compiled(REQUEST, "__u32 flags; __s32 new_fd;").unwrap_err()).unwrap();
        assert_eq!(error.exit_code().number(), 22);
        let title = format!(
            "{PATH} does not define DERIVE as the cases need it: 'struct dma_buf_alias' has no member named 'fd'"
        );
        assert!(error.title.starts_with(&title), "{error}");
        for request in ["_IO('b', 4)", "_IOWR('b', 4, __u64)", "0xc0086204"] {
            let output = compiled(request, "__u32 flags; __s32 fd;").unwrap_err();
            assert!(uncallable(&output).is_some_and(|error| error.kind == ErrorKind::Patch), "{output}");
        }
        let other = "drivers/dma-buf/conformance/info.c:3:1: error: x\n/a/include/linux/derive.h/x.c:3:1: error: x\n";
        assert!(uncallable(other).is_none());
    }

    #[test]
    fn a_mention_in_a_comment_is_not_a_definition() {
        assert!(defines_derive(&format!("/* x */\n# define\tDMA_BUF_IOCTL_DERIVE\t{REQUEST}\n")));
        for text in
            ["/* DMA_BUF_IOCTL_DERIVE */", "#define DMA_BUF_IOCTL_DERIVED _IO('b', 4)", "#define DMA_BUF_IOCTL_ALIAS 1"]
        {
            assert!(!defines_derive(text), "{text}");
        }
    }
}
