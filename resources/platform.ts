/** Platform: the server itself. There is one, named platform; without it the defaults hold. */
import { Cron } from 'croner';
import ipaddr from 'ipaddr.js';
import { AGE, MESSAGE, READY, STATUS } from './columns.ts';
import type { FieldProblem, KindDefinition } from './kind.ts';
import { parseMemory } from './memory.ts';
import { isTimezone } from './schedule.ts';
import { at, listOf } from './unknown.ts';

export const PLATFORM_NAME = 'platform';

export const platformKind: KindDefinition = {
  kind: 'Platform',
  plural: 'platforms',
  singular: 'platform',
  shortNames: ['plat'],
  schema: 'platform.v1.json',
  writtenBy: 'people',
  singleton: PLATFORM_NAME,
  columns: [
    { name: 'NAME', value: 'metadata.name' },
    READY,
    STATUS,
    { name: 'VERSION', value: 'status.version' },
    { name: 'DOCKER', value: 'status.docker.version' },
    { name: 'NGINX', value: 'status.nginx.version' },
    { name: 'SITES', value: 'status.nginx.sites' },
    { name: 'SUBNET', value: 'status.network.subnet', wide: true },
    MESSAGE,
    AGE,
  ],
  check: checkPlatform,
};

function checkPlatform(manifest: { spec?: unknown }): FieldProblem[] {
  const problems: FieldProblem[] = [];
  const http = at(manifest.spec, 'http', 'port') ?? 80;
  if (http === (at(manifest.spec, 'http', 'httpsPort') ?? 443))
    problems.push({
      pointer: '/spec/http/httpsPort',
      message: `must differ from the HTTP port, also ${http}`,
    });
  const [warning, critical] = ['warningBelow', 'criticalBelow'].map((name) =>
    comparable(at(manifest.spec, 'disk', name)),
  );
  if (warning && critical && warning.unit === critical.unit && critical.amount >= warning.amount)
    problems.push({
      pointer: '/spec/disk/criticalBelow',
      message: 'must be less than warningBelow: the warning comes first',
    });
  for (const [index, subnet] of listOf(at(manifest.spec, 'network', 'pool')).entries()) {
    const problem = typeof subnet === 'string' ? subnetProblem(subnet) : undefined;
    if (problem !== undefined) problems.push({ pointer: `/spec/network/pool/${index}`, message: problem });
  }
  for (const [index, window] of listOf(at(manifest.spec, 'maintenance', 'windows')).entries())
    problems.push(...windowProblems(window, `/spec/maintenance/windows/${index}`));
  const timezone = at(manifest.spec, 'timezone');
  if (typeof timezone === 'string' && !isTimezone(timezone))
    problems.push({ pointer: '/spec/timezone', message: 'must be a timezone such as Europe/Berlin or UTC' });
  return problems;
}

/** Shares compare with shares and amounts with amounts; which of the two is less depends on the disk. */
function comparable(value: unknown): { unit: string; amount: number } | undefined {
  if (typeof value !== 'string') return undefined;
  if (value.endsWith('%')) return { unit: '%', amount: Number(value.slice(0, -1)) };
  return { unit: 'bytes', amount: parseMemory(value) ?? 0 };
}

function windowProblems(window: unknown, pointer: string): FieldProblem[] {
  const [schedule, duration, timezone] = [
    at(window, 'schedule'),
    at(window, 'duration'),
    at(window, 'timezone'),
  ];
  const problems: FieldProblem[] = [];
  if (typeof timezone === 'string' && !isTimezone(timezone))
    problems.push({
      pointer: `${pointer}/timezone`,
      message: 'must be a time zone such as Europe/Berlin or UTC',
    });
  if (typeof schedule === 'string' && !opens(schedule))
    problems.push({
      pointer: `${pointer}/schedule`,
      message: 'must be five fields as cron has them that some day fits, such as 0 3 * * 0',
    });
  if (typeof duration === 'string' && minutesOf(duration) === 0)
    problems.push({ pointer: `${pointer}/duration`, message: 'must be longer than nothing, such as 2h' });
  return problems;
}

function opens(schedule: string): boolean {
  try {
    if (schedule.trim().split(/\s+/).length !== 5) return false;
    return new Cron(schedule, { timezone: 'UTC', paused: true }).nextRun(new Date(0)) !== null;
  } catch {
    return false;
  }
}

/** 90m, 2h, 1h30m. */
export function minutesOf(duration: string): number {
  const [, hours = '0', minutes = '0'] = /^(?:(\d+)h)?(?:(\d+)m)?$/.exec(duration) ?? [];
  return Number(hours) * 60 + Number(minutes);
}

/** Docker gives containers addresses of it, so it needs room: at least a /28. */
function subnetProblem(subnet: string): string | undefined {
  if (!/^[0-9.]+\/[0-9]+$/.test(subnet) || !ipaddr.IPv4.isValidCIDR(subnet))
    return 'must be an IPv4 subnet such as 10.86.0.0/16';
  const [, bits] = ipaddr.IPv4.parseCIDR(subnet);
  if (bits > 28 || bits < 8) return 'must be between a /8 and a /28';
  const first = ipaddr.IPv4.networkAddressFromCIDR(subnet).toString();
  return subnet.startsWith(`${first}/`) ? undefined : `must begin at its first address, ${first}/${bits}`;
}
