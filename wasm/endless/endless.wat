;; Never ends by itself: what limits and the Stop button are tried with.
(module
  (func (export "run")
    (loop $again
      (br $again))))
