import { spawnSync } from 'node:child_process';

// What PATH finds may be a script that looks for the interpreter: pyenv's takes six times as long as a short program.
const asked = spawnSync('python3', ['-c', 'import sys; print(sys.executable)'], { encoding: 'utf8' });

export const HAS_PYTHON = asked.status === 0;
/** Path of Python 3's interpreter; just `python3` where there is none. */
export const PYTHON = (HAS_PYTHON && asked.stdout.trim()) || 'python3';
