#!/bin/sh
# Copies Python with all libraries that it and the packages load, so that it runs in any Linux image of this processor.
set -e
agent=/opt/agent
mkdir -p $agent/bin $agent/lib $agent/so
python=$(readlink -f "$(command -v python3)")
cp "$python" $agent/bin/python3
cp -r "$(python3 -c 'import sysconfig; print(sysconfig.get_path("stdlib"))')" $agent/lib/
rm -rf $agent/lib/python3*/test $agent/lib/python3*/site-packages $agent/lib/python3*/dist-packages
# The web pages of a server that nothing here starts.
rm -rf $agent/site/litellm/proxy/_experimental/out
{ echo "$python"; find $agent -name '*.so*' -type f; } | xargs -n 1 ldd 2>/dev/null |
    sed -n 's/.*=> \(\/[^ ]*\) .*/\1/p' | sort -u | grep -v "^$agent" | while read -r library; do
    cp -L "$library" $agent/so/
done
cp -L "$(ldd "$python" | sed -n 's/^[[:space:]]*\(\/[^ ]*ld-[^ ]*\) .*/\1/p')" $agent/so/loader
cp /tmp/build/start.py $agent/start.py
cat > $agent/bin/aider <<'END'
#!/bin/sh
# Not isolated (-I), which would ignore PYTHONHASHSEED: it keeps files in sets, whose order the model sees.
export AGENT_PYTHONPATH="${PYTHONPATH-}"
unset PYTHONPATH PYTHONHOME
exec /opt/agent/so/loader --library-path /opt/agent/so /opt/agent/bin/python3 -s -P /opt/agent/start.py "$@"
END
# For the linter, which the tool starts as a process of its own.
cat > $agent/bin/python <<'END'
#!/bin/sh
export PYTHONPATH=/opt/agent/site
exec /opt/agent/so/loader --library-path /opt/agent/so /opt/agent/bin/python3 -s -P "$@"
END
chmod 755 $agent/bin/aider $agent/bin/python
# A container without a writable file system would compile all of it again in each trial.
python3 -m compileall -q -j 0 --invalidation-mode unchecked-hash $agent/site $agent/lib || true
$agent/bin/python -m flake8 --version >/dev/null
HOME=/tmp/build $agent/bin/aider --version
