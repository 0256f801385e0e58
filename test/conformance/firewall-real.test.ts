/**
 * iptables itself, both variants, in a network namespace of the test's own: nothing of this machine's tables is touched. What Docker
 * does to them when it starts is written here as it was seen of Docker 20.10; test/real/firewall.test.ts has a real one.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { rmSync } from 'node:fs';
import { mkdtemp, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createFirewall } from '../../reconcilers/drivers/firewall/iptables.ts';
import { run } from '../real/docker.ts';
import { until } from '../real/until.ts';
import { BRIDGE, type FirewallUnderTest, firewallConformance } from './firewall.suite.ts';

async function networkOfItsOwn(): Promise<{ within: string[]; close(): Promise<void> }> {
  const holder: ChildProcess = spawn('unshare', ['--net', 'sleep', '300'], { stdio: 'ignore' });
  const gone = once(holder, 'exit');
  const within = ['nsenter', `--net=/proc/${holder.pid}/ns/net`];
  const own = (await run('readlink', ['/proc/self/ns/net'])).stdout;
  await until('the network of the test is there', async () => {
    const { stdout } = await run('readlink', [`/proc/${holder.pid}/ns/net`]);
    return stdout !== '' && stdout !== own;
  });
  return {
    within,
    close: async () => {
      holder.kill('SIGKILL');
      await gone;
    },
  };
}

/** A folder in which `iptables` and its like are those of one variant, as the machine's alternatives would have it. */
async function programsOf(variant: string): Promise<string | undefined> {
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-iptables-'));
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
  for (const program of ['iptables', 'ip6tables']) {
    for (const part of ['', '-save', '-restore']) {
      const { stdout } = await run('sh', ['-c', 'command -v "$1"', 'sh', `${program}-${variant}${part}`]);
      if (stdout.trim() === '') return undefined;
      await symlink(stdout.trim(), join(folder, `${program}${part}`));
    }
  }
  return folder;
}

const folders = new Map<string, string>();
for (const variant of ['nft', 'legacy']) {
  const folder = await programsOf(variant);
  const works = folder && (await run('unshare', ['--net', join(folder, 'iptables'), '-S'])).code === 0;
  if (folder && works) folders.set(variant, folder);
  else console.log(`SKIP: iptables-${variant} does not work on this machine`);
}

for (const [variant, folder] of folders) {
  firewallConformance(variant, async (families): Promise<FirewallUnderTest> => {
    const { within, close } = await networkOfItsOwn();
    const inside = async (program: string, ...args: string[]) => {
      const [first = '', ...words] = [...within, join(folder, program), ...args];
      const result = await run(first, words);
      if (result.code !== 0) throw new Error(`${program} ${args.join(' ')}: ${result.stderr}`);
      return result.stdout;
    };
    const quietly = (program: string, ...args: string[]) => inside(program, ...args).catch(() => '');
    const startDocker = async (program: string) => {
      await quietly(program, '-N', 'DOCKER-USER');
      if (!(await quietly(program, '-S', 'DOCKER-USER')).includes('-j RETURN'))
        await inside(program, '-A', 'DOCKER-USER', '-j', 'RETURN');
      for (const rule of [
        ['-i', BRIDGE, '-o', BRIDGE, '-j', 'DROP'],
        ['-i', BRIDGE, '!', '-o', BRIDGE, '-j', 'ACCEPT'],
        ['-j', 'DOCKER-USER'],
      ]) {
        await quietly(program, '-D', 'FORWARD', ...rule);
        await inside(program, '-I', 'FORWARD', ...rule);
      }
    };
    return {
      firewall: createFirewall({
        within: [...within, 'env', `PATH=${folder}:/usr/sbin:/usr/bin:/sbin:/bin`],
      }),
      dockerStarts: async () => {
        for (const family of families) await startDocker(family === 4 ? 'iptables' : 'ip6tables');
      },
      flush: async () => {
        await inside('iptables', '-F');
      },
      addForeign: async (chain, rule, where = 'last') => {
        await inside('iptables', where === 'first' ? '-I' : '-A', chain, ...rule.split(' '));
      },
      rules: async (chain) =>
        (await inside('iptables', '-S', chain))
          .split('\n')
          .filter((line) => line.startsWith('-A '))
          .map((line) => line.slice(`-A ${chain} `.length)),
      cleanup: close,
    };
  });
}
