/** A driver with some verbs of one's own over it: how a test makes it fail, lie or count. */
export function over<Driver extends object>(driver: Driver, verbs: Partial<Driver>): Driver {
  return new Proxy(driver, {
    get(target, name) {
      const own = name in verbs ? Reflect.get(verbs, name) : Reflect.get(target, name);
      return typeof own === 'function' ? own.bind(target) : own;
    },
  });
}
