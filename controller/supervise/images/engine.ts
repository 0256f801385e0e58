/** What the builders of images ask of the Docker engine, and how they read its answers. */
import type Dockerode from 'dockerode';
import { MARK } from '../inventory.ts';

/** The id of an image of ours and the hash of what it was made from. undefined: there is none of that name. */
export async function contentOf(
  docker: Dockerode,
  name: string,
): Promise<{ id: string; content: string | undefined } | undefined> {
  const present = await docker
    .getImage(name)
    .inspect()
    .catch((error: { statusCode?: number }) => {
      if (error.statusCode !== 404) throw error;
      return undefined;
    });
  return present && { id: present.Id, content: present.Config.Labels?.[MARK.image] };
}

interface BuilderLine {
  stream?: string;
  status?: string;
  error?: string;
}

/** Reads the engine's lines to the end; one with an error is the failure, told with the lines before it. */
export function endOf(
  docker: Dockerode,
  output: NodeJS.ReadableStream,
  what: string,
  onStep: (line: string) => void = () => undefined,
): Promise<void> {
  const last: string[] = [];
  return new Promise((resolve, reject) => {
    const note = (line: BuilderLine) => {
      const text = line.stream?.trimEnd() ?? '';
      if (text === '') return;
      if (/^Step \d+\/\d+ :/.test(text)) onStep(text);
      last.push(text);
      if (last.length > 30) last.shift();
    };
    docker.modem.followProgress(
      output,
      (error: Error | null, lines: BuilderLine[] | null) => {
        const failure = error?.message ?? lines?.find((line) => line.error !== undefined)?.error;
        if (failure === undefined) resolve();
        else reject(new Error(`${what} could not be made: ${failure}\n${last.slice(-12).join('\n')}`.trim()));
      },
      note,
    );
  });
}
