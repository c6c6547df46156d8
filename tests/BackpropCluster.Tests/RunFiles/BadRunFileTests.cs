using System.Diagnostics;
using BackpropCluster.Cli.RunFiles;
using CsCheck;

namespace BackpropCluster.Tests.RunFiles;

/// <summary>Bad run files: one clear error each, with its place, what was got and what to do.</summary>
public sealed class BadRunFileTests
{
    internal const string Good = """
        version: 1
        name: digits
        seed: 42
        data:
          source: digits
          batch: 32
          microbatches: 1
          shuffle: true
          test: 0.2
          scale: minmax
        model:
          layers:
            - { units: 32, activation: logistic, init: he_normal, train_bias: true }
            - { units: 10, activation: logistic }
          loss: half_squared_error
        optimizer: { kind: sgd, learning_rate: 2 }
        training: { epochs: 3, update: after-backward }
        cluster: { silos: 3, granularity: layer, placement: spread, step_deadline: 10s }

        """;

    /// <summary>A piece of the good file, what stands there instead, and parts of the error.</summary>
    public static TheoryData<string, string, string[]> Changes() =>
        new()
        {
            // keys that are unknown, misspelt, twice or missing
            { "version: 1", "version: 1\nepochs: 3", ["r.yaml:2:1", "unknown key 'epochs'", "Known here: version"] },
            { "seed: 42", "sead: 42", ["r.yaml:3:1", "unknown key 'sead'", "Did you mean 'seed'?"] },
            { "optimizer:", "optimiser:", ["r.yaml:16:1", "Did you mean 'optimizer'?"] },
            {
                "  source: digits",
                "  sorce: digits",
                ["r.yaml:5:3", "unknown key 'data.sorce'", "Did you mean 'data.source'?"]
            },
            { "  batch: 32", "  bach: 32", ["r.yaml:6:3", "'data.bach'", "'data.batch'"] },
            { "  shuffle: true", "  shufle: true", ["r.yaml:8:3", "'data.shuffle'"] },
            { "  loss: half", "  los: half", ["r.yaml:15:3", "'model.los'", "'model.loss'"] },
            {
                "activation: logistic, init",
                "activaton: logistic, init",
                ["r.yaml:13:20", "'model.layers[0].activaton'", "'model.layers[0].activation'"]
            },
            { "learning_rate: 2", "lr: 2", ["r.yaml:16:25", "'optimizer.lr'", "Known here: kind, learning_rate"] },
            {
                "learning_rate: 2",
                "learning_rate: 2, betas: [0.9, 0.9]",
                ["'optimizer.betas'", "Known here: kind, learning_rate, momentum"]
            },
            {
                "kind: sgd, learning_rate: 2",
                "kind: adam, learning_rate: 2, momentum: 0.9",
                ["'optimizer.momentum'", "betas, eps, weight_decay"]
            },
            { "epochs: 3", "epoch: 3", ["r.yaml:17:13", "'training.epoch'", "'training.epochs'"] },
            {
                "epochs: 3",
                "epochs: 3, checkpoint_evry: 20",
                ["'training.checkpoint_evry'", "'training.checkpoint_every'"]
            },
            {
                "epochs: 3",
                "epochs: 3, checkpoint_every: 0",
                ["training.checkpoint_every", "a number of steps from 1, or a time"]
            },
            {
                "epochs: 3",
                "epochs: 3, checkpoint_every: -5",
                ["training.checkpoint_every", "a number of steps from 1, or a time"]
            },
            { "epochs: 3", "epochs: 3, log_every: often", ["training.log_every", "'often'"] },
            { "silos: 3", "silo: 3", ["r.yaml:18:12", "'cluster.silos'"] },
            { "placement: spread", "placment: spread", ["'cluster.placement'"] },
            { "seed: 42", "seed: 42\nseed: 43", ["r.yaml:4:1", "key 'seed' stands twice", "Remove one"] },
            { "epochs: 3", "epochs: 3, epochs: 4", ["key 'epochs' stands twice"] },
            { "version: 1\n", "", ["key 'version' is missing", "Add version"] },
            { "  source: digits\n", "", ["r.yaml:5:3", "key 'data.source' is missing", "Add data.source"] },
            {
                "{ units: 10, activation: logistic }",
                "{ activation: logistic }",
                ["'model.layers[1].units' is missing"]
            },
            { "{ units: 10, activation: logistic }", "{ units: 10 }", ["'model.layers[1].activation' is missing"] },
            { "  loss: half_squared_error\n", "", ["'model.loss' is missing"] },
            { "kind: sgd, ", "", ["'optimizer.kind' is missing"] },
            { ", learning_rate: 2", "", ["'optimizer.learning_rate' is missing"] },
            { "epochs: 3, ", "", ["'training.epochs' is missing"] },
            // values of the wrong kind
            {
                "version: 1",
                "version: 2",
                ["r.yaml:1:10", "of version 2, this program reads version 1", "Use a later program"]
            },
            { "version: 1", "version: 3\nkey_of_the_future: 1", ["r.yaml:1:10", "of version 3"] },
            { "version: 1", "version: 0", ["got '0'"] },
            { "version: 1", "version: one", ["got 'one'"] },
            { "name: digits", "name: Digits", ["r.yaml:2:7", "got 'Digits'", "small letters"] },
            { "name: digits", "name: ../x", ["got '../x'"] },
            { "name: digits", "name: a/b", ["got 'a/b'"] },
            { "name: digits", "name: ''", ["got ''"] },
            { "name: digits", "name: \"digits\\n\"", ["r.yaml:2:7", @"got 'digits\u000a'"] },
            { "name: digits", "name: [a]", ["r.yaml:2:7", "got a list, expected a word"] },
            { "seed: 42", "seed: -1", ["r.yaml:3:7", "got '-1'", "0 to 18446744073709551615"] },
            { "seed: 42", "seed: 18446744073709551616", ["got '18446744073709551616'"] },
            { "seed: 42", "seed: 1.5", ["got '1.5'"] },
            { "seed: 42", "seed:", ["r.yaml:3:6", "got ''"] },
            {
                "source: digits",
                "source: mnist",
                ["r.yaml:5:11", "got 'mnist'", "mazur, xor, iris, digits, spiral, csv or idx"]
            },
            {
                "source: digits",
                "source: idx\n  images: \"a\\0b\"\n  labels: b",
                ["r.yaml:6:11", @"data.images: got 'a\u0000b', expected a path"]
            },
            { "source: digits", "source: idx\n  images: \"a\\nb\"\n  labels: b", ["r.yaml:6:11", @"got 'a\u000ab'"] },
            {
                "source: digits",
                "source: idx\n  images: a\n  labels: ''",
                ["r.yaml:7:11", "data.labels: got '', expected a path"]
            },
            { "source: digits", "source: {a: b}", ["got a group of keys"] },
            { "batch: 32", "batch: 0", ["r.yaml:6:10", "got '0'"] },
            { "batch: 32", "batch: -3", ["got '-3'"] },
            { "batch: 32", "batch: some", ["got 'some'"] },
            { "batch: 32", "batch: 1439", ["r.yaml:6:10", "got 1439 rows, but only 1438", "Use at most 1438"] },
            { "microbatches: 1", "microbatches: 0", ["got '0'"] },
            { "microbatches: 1", "microbatches: 33", ["got 33 parts of 32 rows"] },
            { "shuffle: true", "shuffle: yes", ["r.yaml:8:12", "got 'yes', expected true or false"] },
            { "test: 0.2", "test: 1", ["r.yaml:9:9", "got '1'"] },
            { "test: 0.2", "test: -0.1", ["got '-0.1'"] },
            { "test: 0.2", "test: 0.9999", ["leaves none for training"] },
            { "test: 0.2", "test: .nan", ["got '.nan'"] },
            { "test: 0.2", "test: NaN", ["got 'NaN'"] },
            { "test: 0.2", "test: 0,2", ["got '0,2'"] },
            { "scale: minmax", "scale: maxmin", ["got 'maxmin'", "none, minmax or standard"] },
            { "units: 32", "units: 0", ["r.yaml:13:16", "got '0'", "from 1 to 1000000"] },
            { "units: 32", "units: -5", ["got '-5'"] },
            { "units: 32", "units: 1000001", ["got '1000001'"] },
            { "units: 32", "units: 1e3", ["got '1e3'"] },
            { "units: 32", "units: thirty", ["got 'thirty'"] },
            { "units: 32", "units: [32]", ["got a list"] },
            {
                "activation: logistic, init",
                "activation: sigmoid, init",
                ["got 'sigmoid'", "identity, logistic, tanh, relu or silu"]
            },
            { "init: he_normal", "init: normal", ["got 'normal'", "he_normal"] },
            { "init: he_normal", "init: mazur", ["layer 1 with 64 inputs and 32 units", "Choose another init"] },
            { "train_bias: true", "train_bias: 1", ["got '1', expected true or false"] },
            { "loss: half_squared_error", "loss: hinge", ["r.yaml:15:9", "got 'hinge'"] },
            { "kind: sgd", "kind: sdg", ["r.yaml:16:20", "got 'sdg'", "sgd, adam"] },
            { "learning_rate: 2", "learning_rate: 0", ["r.yaml:16:40", "got '0'", "above 0"] },
            { "learning_rate: 2", "learning_rate: -0.1", ["got '-0.1'"] },
            { "learning_rate: 2", "learning_rate: 1e999", ["got '1e999'", "finite"] },
            { "learning_rate: 2", "learning_rate: .inf", ["got '.inf'"] },
            { "learning_rate: 2", "learning_rate: Infinity", ["got 'Infinity'"] },
            { "learning_rate: 2", "learning_rate: .nan", ["got '.nan'"] },
            { "learning_rate: 2", "learning_rate: 2, momentum: -1", ["got '-1'"] },
            { "learning_rate: 2", "learning_rate: 2, nesterov: true", ["needs a momentum"] },
            {
                "kind: sgd, learning_rate: 2",
                "kind: adam, learning_rate: 2, betas: [0.9]",
                ["got a list", "[0.9, 0.999]"]
            },
            { "kind: sgd, learning_rate: 2", "kind: adam, learning_rate: 2, betas: [0.9, 1]", ["got '1'"] },
            { "kind: sgd, learning_rate: 2", "kind: rmsprop, learning_rate: 2, alpha: 1", ["got '1'"] },
            { "epochs: 3", "epochs: 0", ["r.yaml:17:21", "got '0'"] },
            { "epochs: 3", "epochs: 2147483647", ["more steps than can be counted"] },
            { "update: after-backward", "update: after", ["got 'after'", "after-backward or during-backward"] },
            {
                "epochs: 3",
                "epochs: 3, stop: { metric: accuracy, at: 0.9 }",
                ["got 'accuracy'", "test_accuracy or test_loss"]
            },
            { "epochs: 3", "epochs: 3, stop: { metric: test_accuracy, at: 1.5 }", ["got '1.5'"] },
            { "epochs: 3", "epochs: 3, stop: { metric: test_accuracy }", ["'training.stop.at' is missing"] },
            { "silos: 3", "silos: 0", ["r.yaml:18:19", "got '0'"] },
            { "silos: 3", "silos: 65", ["got '65'"] },
            { "granularity: layer", "granularity: neurons", ["got 'neurons'", "neuron, layer or a number"] },
            { "granularity: layer", "granularity: 0", ["got '0'"] },
            { "granularity: layer", "granularity: -1", ["got '-1'"] },
            {
                "granularity: layer",
                "granularity: 33",
                ["r.yaml:18:35", "33 units fit no layer: the widest has 32", "Use at most 32"]
            },
            { "granularity: layer", "granularity: 2147483647", ["2147483647 units fit no layer"] },
            { "placement: spread", "placement: packed", ["got 'packed', expected spread"] },
            { "step_deadline: 10s", "step_deadline: 10", ["got '10'", "a time with its unit"] },
            { "step_deadline: 10s", "step_deadline: 0s", ["got '0s'"] },
            { "step_deadline: 10s", "step_deadline: -1s", ["got '-1s'"] },
            { "step_deadline: 10s", "step_deadline: 11m", ["got '11m'", "at most 10m"] },
            { "step_deadline: 10s", "step_deadline: s", ["got 's'"] },
            { "step_deadline: 10s", "step_deadline: 10 parsecs", ["got '10 parsecs'"] },
            { "step_deadline: 10s", "step_deadline: NaNs", ["got 'NaNs'"] },
            { "step_deadline: 10s", "step_deadline: 0.25us", ["got '0.25us'"] },
            { "step_deadline: 10s", "step_deadline: 99999999999999999999999999h", ["at most 10m"] },
            { "cluster: {", "cluster: [", ["not valid YAML"] },
            {
                "optimizer: { kind: sgd, learning_rate: 2 }",
                "optimizer: sgd",
                ["r.yaml:16:12", "got 'sgd', expected a group of keys"]
            },
            { "data:\n", "data: digits\n_:\n", ["unknown key '_'"] },
            // values that do not fit each other
            {
                "units: 10, activation",
                "units: 9, activation",
                ["r.yaml:14:16", "layer 2 has 9 outputs but the data has 10 classes", "Set model.layers[1].units to 10"]
            },
            { "source: digits", "source: mazur", ["got 32 rows, but only 1"] },
            { "update: after-backward", "update: during-backward }\n_: {", ["unknown key '_'"] },
            { "microbatches: 1", "microbatches: 2", [] },
            // YAML that a run file has no use for
            { "seed: 42", "seed: &a 42", ["r.yaml:3:7", "an anchor (&)"] },
            { "seed: 42", "seed: *a", ["not"] },
            { "seed: 42", "seed: !!int 42", ["r.yaml:3:7", "a tag (!)"] },
            { "seed: 42", "seed: 42\n---\nversion: 1", ["a second document"] },
            { "seed: 42", "seed: [[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]", ["nested more than 16 deep"] },
            { "seed: 42", "? [a]\n: b\nseed: 42", ["a key is not a word"] },
            { "seed: 42", "seed: \"42", ["not valid YAML"] },
            { "seed: 42", "\tseed: 42", ["not valid YAML"] },
            // characters that hide something or break an error's line
            { "seed: 42", "seed: 42\0\nepochs: 3", ["r.yaml:3:9", "character U+0000"] },
            { "version: 1", "\uFEFFversion: 1", ["r.yaml:1:1", "character U+FEFF"] },
            { "seed: 42", "seed: \"a\\nb\\nc\"", ["r.yaml:3:7", @"got 'a\u000ab\u000ac'"] },
            { "seed: 42", "seed: \"\\e[31m42\"", [@"got '\u001b[31m42'"] },
            { "seed: 42", "seed: \u202e42", [@"got '\u202e42'"] },
            { "seed: 42", "\"se\\ned\": 42", [@"unknown key 'se\u000aed'", "Did you mean 'seed'?"] },
        };

    [Theory, MemberData(nameof(Changes))]
    public void AChangeForTheWorseIsOneClearError(string piece, string instead, string[] says)
    {
        Assert.Contains(piece, Good, StringComparison.Ordinal);
        var text = Good.Replace(piece, instead, StringComparison.Ordinal);
        if (says.Length == 0)
        {
            Read(text); // the neighbour of a bad value that is a good one
            return;
        }

        AssertClear(Assert.Throws<RunFileException>(() => Read(text)), says);
    }

    [Theory]
    [InlineData("during-backward", "microbatches=2", "training.update", "2 microbatches")]
    [InlineData("after-backward", "model.loss=cross_entropy", "", "")]
    public void ValuesThatExcludeEachOtherAreNamedTogether(string update, string set, params string[] says)
    {
        var sets = new[]
        {
            $"training.update={update}",
            set.StartsWith("micro", StringComparison.Ordinal) ? $"data.{set}" : set,
        };
        if (says[0].Length == 0)
            RunFile.Read("r.yaml", Good, sets);
        else
            AssertClear(Assert.Throws<RunFileException>(() => RunFile.Read("r.yaml", Good, sets)), says);
    }

    [Theory]
    [InlineData("training.epochs", "got no value, expected key=value")]
    [InlineData("=3", "got no value")]
    [InlineData("training.epoch=3", "unknown key 'training.epoch'", "Did you mean 'training.epochs'?")]
    [InlineData("trainin.epochs=3", "unknown key 'trainin'", "Did you mean 'training'?")]
    [InlineData("training.epochs=many", "got 'many'")]
    [InlineData("training..epochs=3", "'' is not a key")]
    [InlineData("model.layers[2].units=3", "'layers' has 2 items")]
    [InlineData("model.layers[x].units=3", "'layers[x]' is not a key")]
    [InlineData("model.layers.units=3", "'units' is asked of a list")]
    [InlineData("seed[0]=3", "'seed' is '42', not a list")]
    [InlineData("seed.low=3", "'low' is asked of '42'")]
    [InlineData("model.layer[0].units=3", "unknown key 'model.layer'", "Did you mean 'model.layers'?")]
    [InlineData("modle.layers[0].units=3", "unknown key 'modle'", "Did you mean 'model'?")]
    [InlineData("seed\n=3", @"'seed\u000a' is not a key")]
    [InlineData("seed=3\n---\n4", "a second document")]
    [InlineData("model.layers[1].units=3", "layer 2 has 3 outputs")]
    [InlineData("optimizer={", "not valid YAML")]
    [InlineData("cluster.granularity=64", "64 units fit no layer")]
    [InlineData("training.stop={ metric: test_loss, at: 0.1 }", "", "data.test=0")]
    public void ABadSetNamesItself(string set, params string[] says)
    {
        string[] sets = says[^1].StartsWith("data.", StringComparison.Ordinal) ? [set, says[^1]] : [set];
        var error = Assert.Throws<RunFileException>(() => RunFile.Read("r.yaml", Good, sets));
        AssertClear(error, [.. says.Where(s => !s.StartsWith("data.", StringComparison.Ordinal))]);
        Assert.Contains("--set", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("", "the run file is empty")]
    [InlineData("   \n# nothing\n", "the run file is empty")]
    [InlineData("- a\n- b\n", "the run file is a list")]
    [InlineData("digits", "the run file is 'digits'")]
    public void AFileThatIsNoRunFileSaysWhatOneLooksLike(string text, string says) =>
        AssertClear(Assert.Throws<RunFileException>(() => Read(text)), ["r.yaml:1:1", says, "version: 1"]);

    /// <summary>Apart from the table: a runner that writes its rows as UTF-8 could not carry it.</summary>
    [Fact]
    public void HalfACharacterIsNamedByItsCode() =>
        AssertClear(
            Assert.Throws<RunFileException>(() =>
                Read(Good.Replace("name: digits", "name: \ud800", StringComparison.Ordinal))
            ),
            ["r.yaml:2:7", "character U+D800"]
        );

    /// <summary>Whatever is typed: a run that can be written down, or a clear error, at once.</summary>
    [Fact]
    public void NoTextEverDoesAnythingElse() =>
        (
            from at in Gen.Int[0, Good.Length - 1]
            from length in Gen.Int[0, 12]
            from put in Gen.String[Gen.OneOf(Gen.Char[' ', '~'], Gen.Char["\n\t:{[\"&-é"]), 0, 8]
            select Good[..at] + put + Good[Math.Min(Good.Length, at + length)..]
        ).Sample(
            text =>
            {
                var began = Stopwatch.GetTimestamp();
                try
                {
                    RunFileTests.AssertReadsBackEqual(Read(text));
                }
                catch (RunFileException e)
                {
                    AssertClear(e, []);
                }

                return Stopwatch.GetElapsedTime(began) < TimeSpan.FromSeconds(1);
            },
            iter: 3_000
        );

    internal static RunFile Read(string text) => RunFile.Read("r.yaml", text, []);

    internal static void AssertClear(RunFileException error, string[] says)
    {
        foreach (var part in says.Append("Nothing was started."))
            Assert.Contains(part, error.Message, StringComparison.Ordinal);
        Assert.InRange(error.Message.Split('\n').Length, 1, 2);
        Assert.DoesNotContain("   at ", error.Message, StringComparison.Ordinal);
        Assert.InRange(error.Message.Length, 1, 500);
        Assert.DoesNotContain(error.Message, c => char.IsControl(c) && c != '\n');
    }
}
