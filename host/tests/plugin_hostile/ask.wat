  ;; Send one request and answer as `denied` what the host said, or nothing if it let the request through.
  (func $ask (param $method i32) (param $headers i32) (param $body i32) (param $size i32) (result i32)
    ;; one header: name, then the case `text` of a variant with its text
    (i32.store (i32.const 900) (i32.const 768)) (i32.store (i32.const 904) (i32.const HEADERLEN))
    (i32.store (i32.const 908) (i32.const 0)) (i32.store (i32.const 912) (i32.const 832))
    (i32.store (i32.const 916) (i32.const 5))
    (call $send
      (local.get $method) (i32.const 640) (i32.const PATHLEN) (i32.const 900) (local.get $headers)
      (local.get $body) (i32.const 576) (i32.const 5) (i32.const 0) (local.get $size)
      (i32.const 0) (i32.const 0) (i32.const 256))
    (if (i32.eqz (i32.load8_u (i32.const 256))) (then (return (call $nothing))))
    (if (i32.eq (i32.load8_u (i32.const 264)) (i32.const 2))
      (then (return (call $fail (i32.const 11) (i32.load (i32.const 272)) (i32.load (i32.const 276))))))
    (call $fail (i32.const 12) (i32.const 576) (i32.const 5)))
