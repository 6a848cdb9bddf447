#!/bin/sh
# Compiles our own crates with FUZZ_FLAGS. Coverage of the others would slow the targets down several times.
# Cargo passes the compiler and its arguments.
case " $* " in
*" --crate-name harness "* | *" --crate-name cases "* | *" --crate-name mailparse "* | *" --crate-type bin "*)
    case " $* " in
    *" --crate-name build_script_"*) exec "$@" ;;
    esac
    # The flags are words.
    # shellcheck disable=SC2086
    exec "$@" $FUZZ_FLAGS
    ;;
esac
exec "$@"
