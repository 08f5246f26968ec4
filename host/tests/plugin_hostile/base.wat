;; What every component of these tests has: it describes itself, and its sensors misbehave.
;; Memory: 0 describe's record, 128 answers, 256 http's answer, 512 texts, 4096 on: given out and never taken back.
(module
  IMPORTS
  (memory (export "memory") 1)
  (global $next (mut i32) (i32.const 4096))
  (data (i32.const 512) "NAME")
  (data (i32.const 576) "0.1.0")
  (data (i32.const 640) "PATH")
  (data (i32.const 768) "HEADER")
  (data (i32.const 832) "value")
  (func (export "cabi_realloc") (param $old i32) (param $size i32) (param $align i32) (param $new i32) (result i32)
    (local $at i32)
    (local.set $at (i32.and (i32.add (global.get $next) (i32.const 7)) (i32.const -8)))
    (global.set $next (i32.add (local.get $at) (local.get $new)))
    (local.get $at))
  (func (export "farrier:provisioning/metadata@VERSION#describe") (result i32)
    DESCRIBE
    (i32.store (i32.const 0) (i32.const 512)) (i32.store (i32.const 4) (i32.const NAMELEN))
    (i32.store (i32.const 8) (i32.const 576)) (i32.store (i32.const 12) (i32.const 5))
    (i32.store (i32.const 16) (i32.const 576)) (i32.store (i32.const 20) (i32.const 5))
    (i32.const 0))
  ;; An empty list of readings.
  (func $nothing (result i32)
    (i32.store (i32.const 128) (i32.const 0)) (i32.store (i32.const 132) (i32.const 0))
    (i32.store (i32.const 136) (i32.const 0))
    (i32.const 128))
  ;; The contract's error of this case, with the text at $at.
  (func $fail (param $case i32) (param $at i32) (param $len i32) (result i32)
    (i32.store (i32.const 128) (i32.const 1)) (i32.store (i32.const 132) (local.get $case))
    (i32.store (i32.const 136) (local.get $at)) (i32.store (i32.const 140) (local.get $len))
    (i32.const 128))
  HELPERS
  (func (export "farrier:provisioning/telemetry@VERSION#read-sensors") (result i32)
    BODY))
