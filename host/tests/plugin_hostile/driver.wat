  ;; What a driver of controllers exports; none of it is ever called.
  (func (export "farrier:provisioning/bmc-driver@VERSION#identify") (result i32) (unreachable))
  (func (export "farrier:provisioning/bmc-driver@VERSION#read-inventory") (result i32) (unreachable))
  (func (export "farrier:provisioning/bmc-driver@VERSION#get-power") (result i32) (unreachable))
  (func (export "farrier:provisioning/bmc-driver@VERSION#set-power") (param i32) (result i32) (unreachable))
  (func (export "farrier:provisioning/bmc-driver@VERSION#get-boot") (result i32) (unreachable))
  (func (export "farrier:provisioning/bmc-driver@VERSION#set-boot") (param i32 i32 i32 i32 i32 i32) (result i32)
    (unreachable))
  (func (export "farrier:provisioning/bmc-driver@VERSION#reset") (param i32) (result i32) (unreachable))
