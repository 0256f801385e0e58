/** Checks of an App beyond its schema, one small function per thing that can be wrong. Pure; called by validation. */
import { imageProblem } from './image.ts';
import type { FieldProblem } from './kind.ts';
import { memoryProblem } from './memory.ts';
import { nearest } from './near.ts';
import { scheduleProblem } from './schedule.ts';
import { at, entriesOf, escapePointer, isRecord, listOf } from './unknown.ts';
import { normalVolumePath } from './volume.ts';

interface AppManifestToCheck {
  metadata: { name: string };
  spec?: unknown;
}

export function checkApp(manifest: AppManifestToCheck): FieldProblem[] {
  const { spec } = manifest;
  if (!isRecord(spec)) return [];
  return [
    ...checkShape(spec),
    ...checkImage(spec),
    ...checkPorts(spec),
    ...memoryProblem('/spec/memory', spec['memory']),
    ...checkAddons(spec),
    ...checkSignOn(spec),
    ...checkEnv(spec),
    ...checkVolumes(spec),
    ...checkTasks(spec),
    ...checkHosts(spec, manifest.metadata?.name),
  ];
}

const PLAIN_FIELDS = ['image', 'port', 'volumes', 'readOnly', 'command', 'tcpPorts', 'healthCheckPath'];

/** Either a package or a plain image, never both and never neither. */
function checkShape(spec: Record<string, unknown>): FieldProblem[] {
  if (spec['manifest'] !== undefined) {
    return PLAIN_FIELDS.filter((field) => spec[field] !== undefined).map((field) => ({
      pointer: `/spec/${field}`,
      message: `cannot stand beside manifest: ${field} belongs to a plain image, a package brings its own`,
    }));
  }
  if (spec['image'] === undefined)
    return [
      {
        pointer: '/spec',
        message: 'must have either manifest (a package), or image and port (a plain image)',
      },
    ];
  if (spec['port'] === undefined)
    return [
      {
        pointer: '/spec/port',
        message: 'is required beside image: the port of plain HTTP inside the container',
      },
    ];
  return [];
}

function checkImage(spec: Record<string, unknown>): FieldProblem[] {
  return [
    ...imageProblem('/spec/image', spec['image']),
    ...imageProblem('/spec/manifest/dockerImage', at(spec, 'manifest', 'dockerImage')),
  ];
}

function checkPorts(spec: Record<string, unknown>): FieldProblem[] {
  const declared = entriesOf(at(spec, 'manifest', 'tcpPorts') ?? spec['tcpPorts']).map(([name]) => name);
  const problems: FieldProblem[] = [];
  const taken = new Map<unknown, string>();
  for (const [name, port] of entriesOf(spec['ports'])) {
    const pointer = `/spec/ports/${escapePointer(name)}`;
    const other = taken.get(port);
    if (!declared.includes(name)) problems.push({ pointer, ...undeclared(name, declared) });
    else if (other !== undefined)
      problems.push({ pointer, message: `must be another port: ${other} has ${port} already` });
    taken.set(port, name);
  }
  return problems;
}

function undeclared(name: string, declared: string[]): Pick<FieldProblem, 'message' | 'suggestion'> {
  if (declared.length === 0) return { message: 'names no port: the App declares none in tcpPorts' };
  const suggestion = nearest(name, declared);
  const message = `must be one of tcpPorts: ${declared.join(', ')}`;
  return suggestion === undefined ? { message } : { message, suggestion };
}

/** A package says itself what it needs; which Addon serves it is the person's choice. */
function checkAddons(spec: Record<string, unknown>): FieldProblem[] {
  if (spec['manifest'] === undefined) return [];
  const declared = entriesOf(at(spec, 'manifest', 'addons')).map(([name]) => name);
  return entriesOf(spec['addons'])
    .filter(([name]) => !declared.includes(name))
    .map(([name]) => ({
      pointer: `/spec/addons/${escapePointer(name)}`,
      message: `must be one of the package's own: it asks for ${declared.join(', ') || 'none'}`,
    }));
}

function checkSignOn(spec: Record<string, unknown>): FieldProblem[] {
  if (spec['sso'] !== false || at(spec, 'manifest', 'optionalSso') === true) return [];
  return [
    {
      pointer: '/spec/sso',
      message: 'cannot be false: the package does not say that its sign-on is optional',
    },
  ];
}

function checkEnv(spec: Record<string, unknown>): FieldProblem[] {
  const problems: FieldProblem[] = [];
  const seen = new Map<unknown, number>();
  for (const [index, entry] of listOf(spec['env']).entries()) {
    const name = at(entry, 'name');
    const first = seen.get(name);
    const pointer = `/spec/env/${index}`;
    if (typeof name === 'string' && first !== undefined)
      problems.push({
        pointer: `${pointer}/name`,
        message: `must differ from entry ${first}, which is ${name} too`,
      });
    else seen.set(name, index);
    if (!isRecord(entry)) continue;
    const given = ['value', 'valueFrom'].filter((field) => entry[field] !== undefined);
    if (given.length !== 1)
      problems.push({
        pointer,
        message: `must have either value or valueFrom${given.length === 2 ? ', not both' : ''}`,
      });
  }
  return problems;
}

/** There in every container, and not kept. */
const TAKEN = ['/', '/run', '/tmp', '/proc', '/sys', '/dev'];

function checkVolumes(spec: Record<string, unknown>): FieldProblem[] {
  const problems: FieldProblem[] = [];
  const seen = new Set<string>();
  const taken = at(spec, 'addons', 'tls') === undefined ? TAKEN : [...TAKEN, '/etc/certs'];
  for (const [index, volume] of listOf(spec['volumes']).entries()) {
    const path = at(volume, 'path');
    if (typeof path !== 'string' || !path.startsWith('/')) continue;
    const pointer = `/spec/volumes/${index}/path`;
    const normal = normalVolumePath(path);
    if (path.split('/').includes('..')) problems.push({ pointer, message: 'must not contain ..' });
    else if (taken.includes(normal))
      problems.push({ pointer, message: `cannot be ${normal}: every container has it, and it is not kept` });
    else if (seen.has(normal))
      problems.push({ pointer, message: `stands twice: ${normal} is a volume already` });
    seen.add(normal);
  }
  return problems;
}

/** A schedule that cron does not know, or a task of one's own that lacks one or has no command. */
function checkTasks(spec: Record<string, unknown>): FieldProblem[] {
  const packaged = at(spec, 'manifest', 'addons', 'scheduler');
  const problems: FieldProblem[] = [];
  const check = (pointer: string, task: unknown) => {
    const schedule = at(task, 'schedule');
    const problem = typeof schedule === 'string' ? scheduleProblem(schedule) : undefined;
    if (problem !== undefined) problems.push({ pointer: `${pointer}/schedule`, message: problem });
  };
  for (const [name, task] of entriesOf(packaged))
    check(`/spec/manifest/addons/scheduler/${escapePointer(name)}`, task);
  for (const [name, task] of entriesOf(spec['tasks'])) {
    const pointer = `/spec/tasks/${escapePointer(name)}`;
    check(pointer, task);
    if (at(packaged, name) !== undefined) continue;
    for (const field of ['schedule', 'command'])
      if (at(task, field) === undefined)
        problems.push({ pointer, message: `must have ${field}: the package has no task ${name}` });
  }
  return problems;
}

function checkHosts(spec: Record<string, unknown>, name: unknown): FieldProblem[] {
  const location = spec['location'] ?? name;
  const domain = spec['domain'] ?? 'localhost';
  if (typeof location !== 'string' || typeof domain !== 'string') return [];
  const host = location === '' ? domain : `${location}.${domain}`;
  const problems: FieldProblem[] = [];
  if (host.length > 253)
    problems.push({
      pointer: '/spec/location',
      message: `makes a host name of ${host.length} letters; 253 is the most`,
    });
  const own = listOf(spec['aliases']).indexOf(host);
  if (own >= 0)
    problems.push({ pointer: `/spec/aliases/${own}`, message: 'is the main host name of the App already' });
  return problems;
}
