/** `holdfast completion`: a script for a shell. The script asks `holdfast __complete` at each Tab, so names are live. */
import { CliError, type VerbDefinition } from './verb.ts';

const BASH = `# holdfast completion for bash: source <(holdfast completion bash)
_holdfast() {
  local words candidates
  words=("\${COMP_WORDS[@]:1:COMP_CWORD}")
  if [[ "\${words[*]}" == *" -f "* && "\${COMP_WORDS[COMP_CWORD-1]}" == "-f" ]]; then
    COMPREPLY=($(compgen -f -- "\${COMP_WORDS[COMP_CWORD]}"))
    return
  fi
  mapfile -t COMPREPLY < <(holdfast __complete -- "\${words[@]}" 2>/dev/null)
  if [[ \${#COMPREPLY[@]} -eq 1 && "\${COMPREPLY[0]}" == */ ]]; then compopt -o nospace; fi
}
complete -o default -F _holdfast holdfast
`;

const ZSH = `#compdef holdfast
# holdfast completion for zsh: source <(holdfast completion zsh)
_holdfast() {
  local -a candidates
  if [[ "\${words[CURRENT-1]}" == "-f" ]]; then _files; return; fi
  candidates=("\${(@f)$(holdfast __complete -- "\${(@)words[2,CURRENT]}" 2>/dev/null)}")
  compadd -S '' -- \${(M)candidates:#*/}
  compadd -- \${candidates:#*/}
}
compdef _holdfast holdfast
`;

const FISH = `# holdfast completion for fish: holdfast completion fish | source
function __holdfast_complete
    set -l words (commandline -opc) (commandline -ct)
    holdfast __complete -- $words[2..-1] 2>/dev/null
end
complete -c holdfast -f -a '(__holdfast_complete)'
complete -c holdfast -s f -l file -r -F
`;

const SCRIPTS: Record<string, string> = { bash: BASH, zsh: ZSH, fish: FISH };

export const command: VerbDefinition = {
  name: 'completion',
  summary: 'write a completion script for bash, zsh or fish',
  arguments: [{ name: 'shell', description: 'bash, zsh or fish', required: true }],
  examples: ['source <(holdfast completion bash)', 'holdfast completion fish | source'],
  async run(context, args) {
    const script = SCRIPTS[args[0] ?? ''];
    if (script === undefined)
      throw new CliError(`completion is for bash, zsh and fish, not for "${args[0]}"`);
    context.stdout.write(script);
    return 0;
  },
};
