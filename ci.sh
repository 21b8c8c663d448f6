#!/bin/bash
# The project's test command: everything that must hold before a change lands, here and in CI.
#
#   ./ci.sh              every step, a quarter of an hour on two cores from nothing
#   ./ci.sh --long       the same and then the long steps, an hour and a quarter
#   ./ci.sh STEP ...     these steps only, by the names that --list prints
#   ./ci.sh --list       the steps
#
# A step is a function below named step_<name>, entered in one of the two lists. It fails where any command of it
# fails. No step is skipped for want of a tool, and a suite that this machine cannot run is named.
#
#   LACEWING_REQUIRE     instruction sets (avx512 ...) whose absence from this machine is a failure
#   LACEWING_CROSS       rustup or debian: where cross compilers come from (scripts/setup-cross.sh)
set -euo pipefail
cd "$(dirname "$0")"

# Two lanes, one beside the other, since compilers and emulators leave a processor idle by turns: what is built for this
# machine, and what is built for others or by the nightly compiler.
HOST_STEPS="format lint docs msrv tests no_std fuzz"
OTHER_STEPS="aarch64 armv7 avx512 firmware c_firmware cortex_m4 boards peer budget aarch64_counts isa"
# The long ones in two lanes as well, three quarters of an hour each, and what wants a quiet machine after them.
LONG_STEPS="avx512_long asan instructions assembly estimates budgets miri soak fuzz_long"
BESIDE_STEPS="fuzz_import fuzz_tail promise"
QUIET_STEPS="peers"

# No debug information: it is a tenth of what compiling costs.
export CARGO_INCREMENTAL=0 CARGO_PROFILE_RELEASE_DEBUG=false
readonly BARE=thumbv7em-none-eabihf ARM_LINUX=aarch64-unknown-linux-gnu ARMV7_LINUX=armv7-unknown-linux-gnueabihf
readonly OTHER_BARE="thumbv8m.main-none-eabihf thumbv6m-none-eabi riscv32imac-unknown-none-elf"
# The crates that run on devices.
readonly DEVICE="-p lacewing-kernels -p lacewing-engine"

say() { echo "ci: $*"; }
fail() { say "$*" >&2; return 1; }

# Compilers, emulators and standard libraries of other targets.
step_setup() {
  local tool
  for tool in cargo rustc rustfmt cargo-clippy; do
    command -v $tool >/dev/null || fail "no $tool here: install Rust with rustup (https://rustup.rs)"
  done
  scripts/setup-cross.sh $ARM_LINUX $ARMV7_LINUX $BARE $OTHER_BARE
}

step_format() {
  local manifest
  # The workspace, and those that stand by themselves.
  for manifest in Cargo.toml firmware/Cargo.toml {engine,tail,converter}/fuzz/Cargo.toml; do
    cargo fmt --manifest-path $manifest --all --check
  done
}

step_lint() {
  cargo clippy --locked --workspace --all-targets -- -D warnings
  scripts/cross $ARM_LINUX clippy --locked $DEVICE --all-targets -- -D warnings
  scripts/cross $BARE clippy --locked $DEVICE -p lacewing-capi --no-default-features -- -D warnings
  (cd firmware && ../scripts/cross $BARE clippy --locked --release -- -D warnings)
}

step_docs() { RUSTDOCFLAGS="-D warnings" cargo doc --locked --workspace --no-deps; }

# The oldest Rust we promise is the one that every step builds with, or is here to check with.
step_msrv() {
  local promised active
  promised=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)
  active=$(rustc --version | cut -d' ' -f2)
  case $active in
    "$promised"|"$promised".*) say "the oldest Rust promised, $promised, is what all steps build with";;
    *) cargo "+$promised" check --locked --workspace --all-targets;;
  esac
}

# With overflow checks and debug assertions on.
step_tests() { cargo test --locked --workspace --profile checked; }

# The device crates as a device has them.
step_no_std() {
  cargo test --locked --profile checked $DEVICE --no-default-features
  scripts/cross $BARE build --locked --release $DEVICE --no-default-features
}

# The processor flags of an instruction set, by the name that LACEWING_ISA uses.
flags_of() {
  case $1 in
    avx2) echo "avx2 fma";;
    avx512) echo "avx2 fma avx512f avx512bw avx512vl";;
    avx512vnni) echo "avx2 fma avx512f avx512bw avx512vl avx512_vnni avx512vbmi";;
    neon) echo "asimd";;
    neondot) echo "asimd asimddp";;
    *) fail "instruction set $1 has kernels, but ci.sh does not know its processor flags";;
  esac
}
processor_has() { # FLAG ...
  local flag
  for flag in "$@"; do grep -qw "$flag" /proc/cpuinfo || return 1; done
}

# The suites of the device crates, forced onto one instruction set after the other, as released.
step_isa() {
  local arch isa sets flags ran=" "
  arch=$(uname -m)
  # Those that have kernels for this architecture.
  sets=$(grep -rhoE 'Isa::[A-Z][A-Za-z0-9]+' "kernels/src/$arch" | sed 's/Isa:://' | tr '[:upper:]' '[:lower:]' | sort -u)
  for isa in scalar $sets; do
    flags=$([ "$isa" = scalar ] || flags_of "$isa")
    if processor_has $flags; then
      say "suites on $isa"
      LACEWING_ISA=$isa cargo test --locked --release $DEVICE
      ran="$ran$isa "
    else
      say "suites on $isa LEFT OUT: this processor lacks it"
    fi
  done
  local required=scalar
  [ "$arch" != x86_64 ] || required="scalar avx2"
  [ "$arch" != aarch64 ] || required="scalar neon"
  for isa in $required ${LACEWING_REQUIRE:-}; do
    case $ran in *" $isa "*) ;; *) fail "the suites on $isa are required and did not run here";; esac
  done
}

# The kernels' conformance sweeps on AVX-512: an emulated processor where this one lacks it and step isa left it out. The
# short sweeps have the junctions of at most 2,500 places: every lane count, tile and page, but none of the large shapes.
avx512() { # all | short
  [ "$(uname -m)" = x86_64 ] || { say "this is no x86-64"; return; }
  if processor_has $(flags_of avx512); then
    say "this processor has AVX-512: step isa runs the sweeps on it"
    return
  fi
  scripts/setup-bochs.sh
  LACEWING_SWEEP=$1 LACEWING_ISA=avx512 CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_RUNNER=$PWD/scripts/bochs-run \
    cargo test --locked --release -p lacewing-kernels --test conformance
}
step_avx512() { avx512 short; }
# An hour: beside other work the emulator's own ten minutes are not enough.
step_avx512_long() { BOCHS_LIMIT=3600 avx512 all; }

step_aarch64() {
  local isa
  for isa in neondot neon scalar; do
    say "suites on $isa, $ARM_LINUX under QEMU"
    LACEWING_ISA=$isa scripts/cross $ARM_LINUX test --locked --release $DEVICE
  done
}

# The bundled networks on the emulated board: the host's answers, and the instruction counts and sizes on record. The
# program that compares is built as the tests are, what it sends to the board as released.
step_cortex_m4() { cargo run --locked --profile checked -p lacewing-benches --bin cortex-m4; }

# The kernels' sweeps and the bundled models on every emulated board, and the instructions of single junctions on record.
step_boards() { cargo run --locked --profile checked -p lacewing-benches --bin boards; }

# The paper's network beside embedded-nn's on the emulated board, in instructions on record.
step_peer() { cargo run --locked --profile checked -p lacewing-benches --bin board-peer; }

# Flash, RAM, stack and instructions of the least program around each bundled model, beside the record; a test of benches holds what
# `lacewing inspect --target` tells against that record.
step_budget() { cargo run --locked --profile checked -p lacewing-benches --bin board-budget -- --only 800-40-40-10; }
step_budgets() { cargo run --locked --profile checked -p lacewing-benches --bin board-budget; }

# Instructions of single junctions on aarch64, dense beside sparse, beside the record.
step_aarch64_counts() { cargo run --locked --profile checked -p lacewing-benches --bin aarch64; }

# The example programs: what each says, and that those for boards build.
step_firmware() { firmware/check; }

# The conformance sweeps and the engine's runs on a 32-bit Linux, whose kernels are the portable ones.
step_armv7() {
  scripts/cross $ARMV7_LINUX test --locked --release -p lacewing-kernels --test conformance --test conformance_i8
  scripts/cross $ARMV7_LINUX test --locked --release -p lacewing-engine --test run --test int8 --test rules
}

# The C example, out of a fresh bundle.
step_c_firmware() {
  local out rc=0
  out=$(mktemp -d)
  firmware/c/run "$out" || rc=1
  rm -rf "$out"
  return $rc
}

# Every fuzz target of some rooms, from the files that their tests and targets have. Takes libFuzzer's limits.
fuzz() { # "ROOM ..." LIMIT ...
  local target room rooms=$1 seeds
  shift
  command -v cargo-fuzz >/dev/null || cargo install --locked --debug cargo-fuzz
  for room in $rooms; do
    for target in "$room"/fuzz/fuzz_targets/*.rs; do
      target=$(basename "$target" .rs)
      mkdir -p "$room/fuzz/corpus/$target"
      seeds=$(cd "$room" && ls -d tests/hostile "fuzz/seeds/$target" tests/fixtures/frameworks/bad 2>/dev/null || true)
      (cd "$room" && cargo +nightly fuzz run --target-dir ../target/fuzz "$target" "fuzz/corpus/$target" $seeds -- -verbosity=0 -print_final_stats=1 "$@")
    done
  done
}
step_fuzz() { fuzz "engine tail" -max_total_time=10; }
step_fuzz_long() { fuzz engine -runs=10000000; }
# Ten million executions of each, or five minutes.
step_fuzz_tail() { fuzz tail -runs=10000000 -max_total_time=300; }
# Readers of other people's files, up to a thousand times slower to run: a million executions of each, or four minutes.
step_fuzz_import() { fuzz converter -runs=1000000 -max_total_time=240 -max_len=16384; }

# Ten minutes of bad links, killed tails, garbage and stalled clients: right answers only, and memory that stays.
step_soak() {
  LACEWING_SOAK_SECONDS=600 cargo test --locked --profile checked -p lacewing-cli --test soak -- --include-ignored --test-threads=1
}

# A thousand calibration sets drawn from each of two known populations, and how many of their promises are broken: a line a
# case. Fashion-MNIST is Debian's package, its network the flagship's recipe.
step_promise() {
  local fashion=/usr/share/datasets/fashion-mnist out rc=0
  [ -d $fashion ] || apt-get install -y -qq --no-install-recommends dataset-fashion-mnist
  out=$(mktemp -d)
  cargo run --locked --release -p lacewing-cli -- train models/recipes/mnist-flagship.toml --data $fashion --out "$out/fashion.safetensors" &&
    promises MNIST && LACEWING_PROMISE_WEIGHTS=$out/fashion.safetensors LACEWING_PROMISE_DATA=$fashion promises Fashion-MNIST || rc=1
  rm -rf "$out"
  return $rc
}
promises() { # NAME
  say "promises on $1"
  LACEWING_PROMISE_SETS=${LACEWING_PROMISE_SETS:-1000} \
    cargo test --locked --release -p lacewing-converter --test promise promises_ -- --test-threads=1
}

# A network beside ONNX Runtime and TensorFlow Lite, whose outputs must agree with ours.
step_peers() { benches/peers/run; }

# The suites of the kernels, with every access that they make watched by AddressSanitizer.
step_asan() {
  RUSTC_BOOTSTRAP=1 RUSTFLAGS=-Zsanitizer=address \
    cargo test --locked --release -p lacewing-kernels --tests --target "$(rustc -vV | sed -n 's/^host: //p')"
}

# Instructions of every kernel of AVX2, counted by callgrind, and the inner loops of the hottest ones, beside the records.
# Both are those of one compiler: another one compares nothing and fails here.
step_instructions() {
  command -v valgrind >/dev/null || apt-get install -y -qq --no-install-recommends valgrind
  LACEWING_COMPARABLE=1 cargo run --locked --release -p lacewing-benches --bin kernel-instructions
}
step_assembly() { LACEWING_COMPARABLE=1 cargo test --locked --release -p lacewing-benches --test assembly; }

# Cycles of the inner loops for other processors, as LLVM's scheduling models estimate them, beside the record.
step_estimates() {
  command -v llvm-mca-14 >/dev/null || apt-get install -y -qq --no-install-recommends llvm-14
  benches/mca
}

# Undefined behaviour in the index proof and the scalar kernels, looked for by the interpreter. It is a thousand times
# slower than the processor: the sweeps over whole ranges of numbers stay out, being safe code.
step_miri() {
  rustup component add --toolchain nightly miri rust-src
  local miri="cargo +nightly miri test --locked -p lacewing-kernels"
  export LACEWING_ISA=scalar MIRIFLAGS=-Zmiri-disable-isolation
  $miri --lib -- --skip within_bound
  $miri --test refusals --test refusals_deployment
  $miri --test conformance infinities_and_nan_reach_the_output
}

# Runs steps one after the other, however many fail. Of each the directory gets what it printed and how long it took.
lane() { # DIRECTORY tee|keep STEP ...
  local name rc begin directory=$1 show=$2
  shift 2
  for name in "$@"; do
    begin=$SECONDS
    # Not in a condition: there bash would go on after a failing command.
    set +e
    (set -e; say "step $name"; "step_$name") 2>&1 | $show "$directory/$name.log"
    rc=${PIPESTATUS[0]}
    set -e
    printf '%-12s %5d s  %s\n' "$name" $((SECONDS - begin)) "$([ $rc = 0 ] && echo ok || echo FAILED)" > "$directory/$name.time"
    # Whole, where lanes run beside each other.
    [ "$show" = tee ] || printf '\n=== %s\n' "$name" | flock "$directory" cat - "$directory/$name.log" "$directory/$name.time"
  done
}

# The steps' times, and whether all passed.
sum_up() { # DIRECTORY STEP ...
  local name directory=$1 times=()
  shift
  for name in "$@"; do times+=("$directory/$name.time"); done
  printf '\n=== steps\n'
  cat "${times[@]}"
  printf 'total        %5d s\n\n%d passed, %d failed\n' "$SECONDS" \
    "$(cat "${times[@]}" | grep -c ' ok$')" "$(cat "${times[@]}" | grep -c FAILED)"
  ! grep -q FAILED "${times[@]}"
}

readonly RECORDS=$(mktemp -d)
trap 'rm -rf "$RECORDS"' EXIT
run() { lane "$RECORDS" tee "$@"; sum_up "$RECORDS" "$@"; }
beside() { # "STEP ..." "STEP ..."
  lane "$RECORDS" keep $1 &
  lane "$RECORDS" keep $2
  wait
}
run_lanes() {
  lane "$RECORDS" tee setup
  beside "$HOST_STEPS" "$OTHER_STEPS"
  sum_up "$RECORDS" setup $HOST_STEPS $OTHER_STEPS
}
run_long() {
  lane "$RECORDS" tee setup
  beside "$HOST_STEPS" "$OTHER_STEPS"
  beside "$LONG_STEPS" "$BESIDE_STEPS"
  lane "$RECORDS" tee $QUIET_STEPS
  sum_up "$RECORDS" setup $HOST_STEPS $OTHER_STEPS $LONG_STEPS $BESIDE_STEPS $QUIET_STEPS
}
keep() { cat > "$1"; }

case ${1:-} in
  '') run_lanes;;
  --long) run_long;;
  --list) echo "steps: setup $HOST_STEPS $OTHER_STEPS"; echo "with --long: $LONG_STEPS $BESIDE_STEPS $QUIET_STEPS";;
  -*) sed -n '2,7s/^# \{0,1\}//p' "$0" >&2; exit 2;;
  *)
    for name in "$@"; do
      declare -F "step_$name" >/dev/null || { echo "ci: no step $name; ./ci.sh --list names them" >&2; exit 2; }
    done
    run "$@";;
esac
