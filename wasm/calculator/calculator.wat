;; The arithmetic of the desktop's Calculator. Functions only: no memory, nothing from outside.
;;
;; Numbers are doubles, as calculators have them: whole numbers are exact up to 2^53. What has no answer is no number but a trap, so that nobody goes on
;; calculating with "inf": a division by zero traps as the integer division by zero that `divide` does on purpose, a result that is too large for a double as
;; a conversion to an integer that overflows. The node names both.
(module
  ;; Gives back what it is given, if that is a number a double can hold.
  (func $finite (param $result f64) (result f64)
    (if (f64.eq (f64.abs (local.get $result)) (f64.const inf))
      (then (drop (i32.trunc_f64_s (local.get $result)))))
    (local.get $result))

  (func (export "add") (param $a f64) (param $b f64) (result f64)
    (call $finite (f64.add (local.get $a) (local.get $b))))

  (func (export "subtract") (param $a f64) (param $b f64) (result f64)
    (call $finite (f64.sub (local.get $a) (local.get $b))))

  (func (export "multiply") (param $a f64) (param $b f64) (result f64)
    (call $finite (f64.mul (local.get $a) (local.get $b))))

  (func (export "divide") (param $a f64) (param $b f64) (result f64)
    (drop (i32.div_s (i32.const 1) (f64.ne (local.get $b) (f64.const 0))))
    (call $finite (f64.div (local.get $a) (local.get $b)))))
