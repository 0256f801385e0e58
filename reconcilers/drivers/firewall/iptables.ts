/**
 * The real firewall: reads by iptables-save, writes by iptables-restore --noflush, each a program with an argument list and the
 * rules on its standard input. Built in main.ts. It uses the variant of iptables (nft or legacy) in which Docker's chain is.
 */
import { spawn } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { delimiter } from 'node:path';
import { DriverError } from '../error.ts';
import {
  CHAIN,
  type Family,
  type FamilyState,
  type Firewall,
  type FirewallPolicy,
  type FirewallState,
  HOOK,
} from './index.ts';
import { callsOf, readTable, rulesOf } from './rules.ts';

/** `ip` and `ip6` in front; the machine's own choice first. */
const VARIANTS = ['tables', 'tables-nft', 'tables-legacy'] as const;
type Variant = (typeof VARIANTS)[number];
const NEVER_IN_PATH_OF_SU = ['/usr/local/sbin', '/usr/sbin', '/sbin'];
const PROGRAM_SECONDS = 30;
/** iptables and dockerd write at the same time; one waits for the other this long. */
const LOCK_SECONDS = '10';

export interface FirewallOptions {
  /** Words before each program, such as those of nsenter: a test has a network of its own. */
  within?: readonly string[];
}

interface Table {
  variant: Variant;
  saved: string;
}

interface Ran {
  code: number | null;
  stdout: string;
  stderr: string;
}

export function createFirewall({ within = [] }: FirewallOptions = {}): Firewall {
  const run = (program: string, args: readonly string[], input = '') =>
    runProgram([...within, program, ...args], input);

  /** undefined: no such program, or the kernel has no such table. */
  async function save(family: Family, variant: Variant): Promise<string | undefined> {
    const result = await run(`${prefix(family)}${variant}-save`, ['-t', 'filter']).catch(unlessMissing);
    return result?.code === 0 ? result.stdout : undefined;
  }

  /** The table that Docker's chain is in; else that of the machine's own variant. */
  async function table(family: Family): Promise<Table | undefined> {
    let first: Table | undefined;
    for (const variant of VARIANTS) {
      const saved = await save(family, variant);
      if (saved === undefined) continue;
      if (hasChain(saved, HOOK) || hasChain(saved, CHAIN)) return { variant, saved };
      first ??= { variant, saved };
    }
    return first;
  }

  async function restore(family: Family, variant: Variant, lines: readonly string[]): Promise<void> {
    const program = `${prefix(family)}${variant}-restore`;
    const input = `${['*filter', ...lines, 'COMMIT'].join('\n')}\n`;
    const { code, stderr } = await run(program, ['--noflush', '--wait', LOCK_SECONDS], input);
    if (code !== 0) throw new DriverError('failed', `${program}: ${stderr.trim() || `exit code ${code}`}`);
  }

  async function version(): Promise<string | undefined> {
    const result = await run('iptables', ['--version']).catch(unlessMissing);
    return result?.code === 0 ? result.stdout.trim().replace(' v', ' ') : undefined;
  }
  let known: Promise<string | undefined> | undefined;

  return {
    async state(bridge): Promise<FirewallState> {
      known ??= version();
      const name = await known;
      if (name === undefined) known = undefined;
      const [ipv4, ipv6] = [await table(4), await table(6)];
      const families: FamilyState[] = [];
      if (ipv4) families.push(readTable(ipv4.saved, 4, bridge));
      // Without Docker's chain there, it gives no container an IPv6 address.
      if (ipv6 && (hasChain(ipv6.saved, HOOK) || hasChain(ipv6.saved, CHAIN)))
        families.push(readTable(ipv6.saved, 6, bridge));
      const bridgeFilter = await readBridgeFilter(bridge);
      return {
        families,
        ...(name === undefined ? {} : { version: name }),
        ...(bridgeFilter === undefined ? {} : { bridgeFilter }),
      };
    },

    async write(policy: FirewallPolicy): Promise<void> {
      const ipv4 = await table(4);
      if (!ipv4) throw new DriverError('unavailable', 'there is no iptables: apt-get install iptables');
      if (!hasChain(ipv4.saved, HOOK))
        throw new DriverError('unavailable', `there is no chain ${HOOK}: Docker makes it when it starts`);
      // Both are made before either is written: an address that is none leaves all as it is.
      const ipv6 = await table(6);
      const lines4 = linesFor(policy, 4, ipv4.saved);
      const lines6 = ipv6 && hasChain(ipv6.saved, HOOK) ? linesFor(policy, 6, ipv6.saved) : undefined;
      await restore(4, ipv4.variant, lines4);
      if (ipv6 && lines6) await restore(6, ipv6.variant, lines6);
    },

    async filterBridge(bridge): Promise<void> {
      try {
        await writeFile(bridgeSetting(bridge), '1');
      } catch (error) {
        const message = `packets between containers on ${bridge} do not come to iptables, and that cannot be changed here: ${String(error)}`;
        throw new DriverError('failed', message, { cause: error });
      }
    },

    async remove(): Promise<void> {
      for (const family of [4, 6] as const) {
        for (const variant of VARIANTS) {
          const saved = await save(family, variant);
          if (saved === undefined || !hasChain(saved, CHAIN)) continue;
          await restore(family, variant, [...deletions(saved, HOOK, CHAIN), `-F ${CHAIN}`, `-X ${CHAIN}`]);
        }
      }
    },
  };
}

function prefix(family: Family): 'ip' | 'ip6' {
  return family === 4 ? 'ip' : 'ip6';
}

function hasChain(saved: string, chain: string): boolean {
  return saved.includes(`\n:${chain} `);
}

/** Declaring a chain empties it, or makes it. The calls are only touched where they do not lead to it. */
function linesFor(policy: FirewallPolicy, family: Family, saved: string): string[] {
  const lines = [`:${CHAIN} - [0:0]`];
  if (!readTable(saved, family, policy.bridge).called) {
    for (const [chain, target] of [
      ['FORWARD', HOOK],
      [HOOK, CHAIN],
    ] as const)
      lines.push(...deletions(saved, chain, target), `-I ${chain} 1 -j ${target}`);
  }
  return [...lines, ...rulesOf(policy, family).map((rule) => `-A ${CHAIN} ${rule}`)];
}

function deletions(saved: string, chain: string, target: string): string[] {
  return Array.from({ length: callsOf(saved, chain, target) }, () => `-D ${chain} -j ${target}`);
}

function bridgeSetting(bridge: string): string {
  if (!/^[a-z0-9]{1,15}$/.test(bridge)) throw new DriverError('invalid', `"${bridge}" is no bridge`);
  return `/sys/class/net/${bridge}/bridge/nf_call_iptables`;
}

/** For all bridges, or for this one. Without the kernel's module for it, neither does anything. */
async function readBridgeFilter(bridge: string): Promise<FirewallState['bridgeFilter']> {
  const own = await readText(bridgeSetting(bridge));
  if (own === undefined) return undefined;
  const all = await readText('/proc/sys/net/bridge/bridge-nf-call-iptables');
  if (all === undefined) return 'impossible';
  return all.trim() === '1' || own.trim() === '1' ? 'on' : 'off';
}

async function readText(path: string): Promise<string | undefined> {
  return readFile(path, 'utf8').catch(() => undefined);
}

function unlessMissing(error: NodeJS.ErrnoException): undefined {
  if (error.code !== 'ENOENT') throw error;
  return undefined;
}

const MOST_OUTPUT = 64 * 1024 * 1024;

function runProgram([program = '', ...args]: readonly string[], input: string): Promise<Ran> {
  const folders = (process.env['PATH'] ?? '').split(delimiter);
  const path = [...folders, ...NEVER_IN_PATH_OF_SU.filter((folder) => !folders.includes(folder))];
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, {
      env: { ...process.env, PATH: path.join(delimiter) },
      stdio: ['pipe', 'pipe', 'pipe'],
      timeout: PROGRAM_SECONDS * 1000,
      killSignal: 'SIGKILL',
    });
    const texts = { stdout: '', stderr: '' };
    for (const name of ['stdout', 'stderr'] as const) {
      child[name].setEncoding('utf8');
      child[name].on('data', (chunk: string) => {
        if (texts[name].length < MOST_OUTPUT) texts[name] += chunk;
      });
    }
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, ...texts }));
    // A program that ends before it has read all says why on its standard error.
    child.stdin.on('error', () => undefined);
    child.stdin.end(input);
  });
}
