/**
 * JSONPath templates as kubectl knows them: `{.status.url}`, `{range .items[*]}{.metadata.name}{"\n"}{end}`,
 * `{.status.conditions[?(@.type=="Ready")].status}`. Pure. A path that leads nowhere is empty text.
 */
import { isRecord } from '../../resources/unknown.ts';
import { CliError } from './verb.ts';

type Node = { text: string } | { path: Step[] } | { range: Step[]; body: Node[] };

type Step =
  | { key: string }
  | { index: number }
  | { slice: [number | undefined, number | undefined] }
  | { each: true }
  | { deep: string }
  | { any: Step[] }
  | { filter: { left: Operand; operator: string | undefined; right: Operand | undefined } }
  | { root: true };

type Operand = { path: Step[] } | { value: unknown };

/** The template filled with data. Throws CliError where the template is no template. */
export function jsonpath(template: string, data: unknown): string {
  return fill(parseTemplate(template), data, data);
}

/** All values that one path finds. Braces may be left out. */
export function pathValues(path: string, data: unknown): unknown[] {
  return walk(parsePath(new Reader(path.trim().replace(/^\{(.*)\}$/s, '$1'))), [data], data);
}

function fill(nodes: readonly Node[], present: unknown, root: unknown): string {
  let out = '';
  for (const node of nodes) {
    if ('text' in node) out += node.text;
    else if ('path' in node) out += walk(node.path, [present], root).map(valueText).join(' ');
    else for (const value of walk(node.range, [present], root)) out += fill(node.body, value, root);
  }
  return out;
}

function valueText(value: unknown): string {
  if (value === null || value === undefined) return '';
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
}

function walk(steps: readonly Step[], from: unknown[], root: unknown): unknown[] {
  let values = from;
  for (const step of steps) values = values.flatMap((value) => take(step, value, root));
  return values;
}

function take(step: Step, value: unknown, root: unknown): unknown[] {
  if ('root' in step) return [root];
  if ('key' in step) return isRecord(value) && Object.hasOwn(value, step.key) ? [value[step.key]] : [];
  if ('each' in step) return childrenOf(value);
  if ('deep' in step) return deep(value, step.deep);
  if ('any' in step) return step.any.flatMap((one) => take(one, value, root));
  if (!Array.isArray(value)) return [];
  if ('index' in step) return value.slice(step.index, step.index === -1 ? undefined : step.index + 1);
  if ('slice' in step) return value.slice(...step.slice);
  return value.filter((item) => matches(step.filter, item, root));
}

function childrenOf(value: unknown): unknown[] {
  if (Array.isArray(value)) return value;
  return isRecord(value) ? Object.values(value) : [];
}

function deep(value: unknown, key: string): unknown[] {
  const own = key === '*' ? childrenOf(value) : take({ key }, value, undefined);
  return [...own, ...childrenOf(value).flatMap((child) => deep(child, key))];
}

function matches(
  filter: { left: Operand; operator: string | undefined; right: Operand | undefined },
  item: unknown,
  root: unknown,
): boolean {
  const left = operandValues(filter.left, item, root);
  if (filter.operator === undefined || filter.right === undefined) return left.length > 0;
  const [a] = left;
  const [b] = operandValues(filter.right, item, root);
  if (filter.operator === '==') return a === b;
  if (filter.operator === '!=') return a !== b;
  if (typeof a !== typeof b || (typeof a !== 'number' && typeof a !== 'string')) return false;
  const order = a < (b as typeof a) ? -1 : a > (b as typeof a) ? 1 : 0;
  return { '<': order < 0, '<=': order <= 0, '>': order > 0, '>=': order >= 0 }[filter.operator] ?? false;
}

function operandValues(operand: Operand, item: unknown, root: unknown): unknown[] {
  return 'path' in operand ? walk(operand.path, [item], root) : [operand.value];
}

/** A text that is read from left to right. */
class Reader {
  private position = 0;
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
  get isDone(): boolean {
    return this.position >= this.text.length;
  }
  peek(word: string): boolean {
    return this.text.startsWith(word, this.position);
  }
  eat(word: string): boolean {
    if (!this.peek(word)) return false;
    this.position += word.length;
    return true;
  }
  match(pattern: RegExp): string | undefined {
    const sticky = new RegExp(pattern.source, 'y');
    sticky.lastIndex = this.position;
    const found = sticky.exec(this.text)?.[0];
    this.position += found?.length ?? 0;
    return found;
  }
  fail(expected: string): never {
    const rest = this.text.slice(this.position, this.position + 20);
    throw new CliError(`jsonpath: expected ${expected} at "${rest}" in ${this.text}`);
  }
}

function parseTemplate(template: string): Node[] {
  if (!template.includes('{')) return [{ path: parsePath(new Reader(template)) }];
  const reader = new Reader(template);
  const nodes = parseNodes(reader, false);
  return nodes;
}

function parseNodes(reader: Reader, inRange: boolean): Node[] {
  const nodes: Node[] = [];
  while (!reader.isDone) {
    const text = reader.match(/[^{]+/);
    if (text !== undefined) nodes.push({ text: unescaped(text) });
    if (!reader.eat('{')) continue;
    reader.match(/\s+/);
    if (reader.match(/end\s*\}/) !== undefined) {
      if (inRange) return nodes;
      reader.fail('a range before {end}');
    }
    nodes.push(parseBlock(reader));
  }
  if (inRange) reader.fail('{end} after a range');
  return nodes;
}

function parseBlock(reader: Reader): Node {
  if (reader.match(/range\s+/) !== undefined) {
    const range = parsePath(reader);
    close(reader);
    return { range, body: parseNodes(reader, true) };
  }
  const quoted = parseQuoted(reader);
  const node: Node = quoted === undefined ? { path: parsePath(reader) } : { text: quoted };
  close(reader);
  return node;
}

function close(reader: Reader): void {
  reader.match(/\s+/);
  if (!reader.eat('}')) reader.fail('}');
}

function parseQuoted(reader: Reader): string | undefined {
  const text = reader.match(/"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'/);
  return text === undefined ? undefined : unescaped(text.slice(1, -1));
}

const ESCAPES: Record<string, string> = { n: '\n', t: '\t', r: '\r' };

function unescaped(text: string): string {
  return text.replace(/\\(.)/gs, (_, letter: string) => ESCAPES[letter] ?? letter);
}

/** A dot and other signs of the language stand after a backslash. */
const NAME = /(?:\\.|[A-Za-z0-9_/-])+/;

function parsePath(reader: Reader): Step[] {
  const steps: Step[] = [];
  if (reader.eat('$')) steps.push({ root: true });
  else if (!reader.eat('@')) {
    const bare = reader.match(NAME);
    if (bare !== undefined) steps.push({ key: unescaped(bare) });
  }
  for (;;) {
    if (reader.eat('..'))
      steps.push({ deep: unescaped(reader.match(/[*]/) ?? reader.match(NAME) ?? reader.fail('a name')) });
    else if (reader.eat('[')) steps.push(parseBrackets(reader));
    else if (reader.eat('.')) {
      if (reader.eat('*')) steps.push({ each: true });
      else {
        const name = reader.match(NAME);
        if (name !== undefined) steps.push({ key: unescaped(name) });
        else if (!reader.isDone && !reader.peek('}') && !reader.peek('[')) reader.fail('a name');
      }
    } else return steps;
  }
}

function parseBrackets(reader: Reader): Step {
  const steps: Step[] = [];
  do {
    reader.match(/\s+/);
    steps.push(parseSelector(reader));
    reader.match(/\s+/);
  } while (reader.eat(','));
  if (!reader.eat(']')) reader.fail(']');
  const [only] = steps;
  return steps.length === 1 && only !== undefined ? only : { any: steps };
}

function parseSelector(reader: Reader): Step {
  if (reader.eat('*')) return { each: true };
  if (reader.eat('?(')) return parseFilter(reader);
  const quoted = parseQuoted(reader);
  if (quoted !== undefined) return { key: quoted };
  const from = reader.match(/-?[0-9]+/);
  if (!reader.eat(':'))
    return from === undefined ? reader.fail('a number, a name in quotes, * or ?(') : { index: Number(from) };
  const to = reader.match(/-?[0-9]+/);
  return {
    slice: [from === undefined ? undefined : Number(from), to === undefined ? undefined : Number(to)],
  };
}

function parseFilter(reader: Reader): Step {
  const left = parseOperand(reader);
  const operator = reader.match(/\s*(?:==|!=|<=|>=|<|>)\s*/)?.trim();
  const right = operator === undefined ? undefined : parseOperand(reader);
  reader.match(/\s+/);
  if (!reader.eat(')')) reader.fail(')');
  return { filter: { left, operator, right } };
}

function parseOperand(reader: Reader): Operand {
  reader.match(/\s+/);
  const quoted = parseQuoted(reader);
  if (quoted !== undefined) return { value: quoted };
  if (reader.peek('@') || reader.peek('$')) return { path: parsePath(reader) };
  const word = reader.match(/[A-Za-z0-9_.+-]+/) ?? reader.fail('a value');
  if (word === 'true' || word === 'false') return { value: word === 'true' };
  const number = Number(word);
  return { value: Number.isNaN(number) ? word : number };
}
