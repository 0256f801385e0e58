/**
 * Reviews in Kubernetes' protobuf: kubectl since 1.32 sends them in no other form and takes JSON as the answer. Only the few messages
 * that access-reviews.ts answers are read, to the plain data that their JSON would be. Pure.
 */

/** Of k8s.io/api/authorization/v1/generated.proto, by field number: a name for text, a name and a message for what is nested. */
type Message = { readonly [field: number]: string | readonly [name: string, message: Message] };

const RESOURCE: Message = {
  1: 'namespace',
  2: 'verb',
  3: 'group',
  4: 'version',
  5: 'resource',
  6: 'subresource',
  7: 'name',
};
const NON_RESOURCE: Message = { 1: 'path', 2: 'verb' };
const SPECS: Record<string, Message> = {
  SelfSubjectAccessReview: {
    1: ['resourceAttributes', RESOURCE],
    2: ['nonResourceAttributes', NON_RESOURCE],
  },
  SelfSubjectRulesReview: { 1: 'namespace' },
  SelfSubjectReview: {},
};
/** runtime.Unknown, which every object is wrapped in. */
const TYPE: Message = { 1: 'apiVersion', 2: 'kind' };
const MAGIC = Buffer.from('k8s\0');

/** Throws where the bytes are not what they should be. */
export function decodeReview(bytes: Buffer): object {
  if (!bytes.subarray(0, 4).equals(MAGIC)) throw new Error('it does not begin with k8s');
  const parts = new Map(fields(bytes.subarray(4)));
  const type = read(parts.get(1) ?? Buffer.alloc(0), TYPE);
  const kind = String(type['kind'] ?? '');
  const spec = Object.hasOwn(SPECS, kind) ? SPECS[kind] : undefined;
  if (spec === undefined)
    throw new Error(`${kind === '' ? 'what it holds' : kind} is not read as protobuf here`);
  return { ...type, ...read(parts.get(2) ?? Buffer.alloc(0), { 2: ['spec', spec] }) };
}

function read(bytes: Buffer, message: Message): Record<string, unknown> {
  const result: Record<string, unknown> = {};
  for (const [field, value] of fields(bytes)) {
    const known = message[field];
    if (known === undefined) continue;
    if (typeof known === 'string') result[known] = value.toString('utf8');
    else result[known[0]] = read(value, known[1]);
  }
  return result;
}

/** Fields that have a length, which are all that matter here; numbers are passed over. */
function* fields(bytes: Buffer): Generator<[number, Buffer]> {
  let at = 0;
  const varint = (): number => {
    let value = 0;
    for (let shift = 0; shift < 64; shift += 7) {
      const byte = bytes.readUInt8(at++);
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) return value;
    }
    throw new Error('a number is too long');
  };
  while (at < bytes.length) {
    const key = varint();
    const wire = key % 8;
    if (wire === 0) varint();
    else if (wire === 1) at += 8;
    else if (wire === 5) at += 4;
    else if (wire === 2) {
      const end = varint() + at;
      if (end > bytes.length) throw new Error('it ends too early');
      yield [Math.floor(key / 8), bytes.subarray(at, end)];
      at = end;
    } else throw new Error('it has a field of no known type');
  }
}
