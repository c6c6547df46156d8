using System.Globalization;
using System.Text.Json.Nodes;
using BackpropCluster.Cli.RunFiles;
using BackpropCluster.Core.Data;

namespace BackpropCluster.Tests.RunFiles;

/// <summary>The schema says what the reader does: a value that only one of them takes would be an error in an editor
/// and none in a run.</summary>
public class RunFileSchemaTests
{
    private const string Shortest = """
        version: 1
        data: { source: xor }
        model: { layers: [{ units: 1, activation: logistic }], loss: half_squared_error }
        optimizer: { kind: sgd, learning_rate: 1 }
        training: { epochs: 1 }
        """;

    /// <summary>Runs that between them have a use for every key.</summary>
    private static readonly string[] Uses =
    [
        "seed=1",
        "data={ source: csv, file: f, target: t }",
        "data={ source: idx, images: i, labels: l }",
        "optimizer.kind=adam",
        "optimizer.kind=adagrad",
        "optimizer.kind=rmsprop",
        "optimizer.schedule={ kind: step, every: 1, factor: 1 }",
        "optimizer.schedule={ kind: cosine, over: 1 }",
        "training.stop={ metric: test_loss, at: 1 }",
    ];

    /// <summary>Each value in the schema: its key, how many make a list (0: it stands alone), its rules.</summary>
    public static TheoryData<string, int, string> Values() =>
        [.. Walk("", RunFileSchema.Create()).Select(v => (v.Path, v.Items, v.Rules.ToJsonString()))];

    [Theory, MemberData(nameof(Values))]
    public void TheReaderTakesWhatTheSchemaAllowsAndNothingBeyond(string path, int items, string json)
    {
        var rules = JsonNode.Parse(json)!.AsObject();
        var step = (string?)rules["type"] == "integer" ? 1 : 0.001m;
        string[] allowed = [],
            beyond = [];
        foreach (var (rule, value) in rules)
        {
            // The longest time stands in the description alone: no pattern can say it.
            var bound = value is JsonValue number && number.TryGetValue<decimal>(out var n) ? n : 0;
            (string[] Allowed, string[] Beyond) says = rule switch
            {
                "minimum" => ([Text(bound)], [Text(bound - step)]),
                "maximum" => ([Text(bound)], [Text(bound + step)]),
                "exclusiveMinimum" => ([Text(bound + step)], [Text(bound)]),
                "exclusiveMaximum" => ([Text(bound - step)], [Text(bound)]),
                "enum" => ([.. value!.AsArray().Select(word => (string)word!)], ["no-such-word"]),
                "pattern" => (string)value! == (string)Name["pattern"]! ? (["a-1"], ["A", "-a"]) : (["0.5s"], ["s"]),
                "type" when (string)value! == "boolean" => (["true", "false"], ["yes"]),
                "type" when (string)value! == "string" && rules["pattern"] is null => (["a"], ["''"]),
                "type" when (string)value! != "string" => ([], ["many"]),
                _ => ([], []),
            };
            (allowed, beyond) = ([.. allowed, .. says.Allowed], [.. beyond, .. says.Beyond]);
        }

        Assert.NotEmpty(beyond);
        Assert.All(allowed, text => Assert.False(IsRefused(path, items, text), $"{path} refuses {text}"));
        Assert.All(beyond, text => Assert.True(IsRefused(path, items, text), $"{path} takes {text}"));
    }

    /// <summary>The keys of the contract, to the last: a walk that passes nothing proves nothing.</summary>
    [Fact]
    public void EveryKeyIsInTheSchema() =>
        Assert.Equal(
            "version name seed data.source data.images data.labels data.test_images data.test_labels data.file "
                + "data.header data.target data.classes data.batch data.microbatches data.shuffle data.test data.scale "
                + "model.layers[0].units model.layers[0].activation model.layers[0].init model.layers[0].init.file "
                + "model.layers[0].train_bias model.loss optimizer.kind optimizer.learning_rate optimizer.momentum "
                + "optimizer.dampening optimizer.nesterov optimizer.lr_decay optimizer.eps "
                + "optimizer.initial_accumulator_value optimizer.alpha optimizer.centered optimizer.betas "
                + "optimizer.weight_decay "
                + "optimizer.schedule.kind optimizer.schedule.warm_up optimizer.schedule.every "
                + "optimizer.schedule.factor optimizer.schedule.over optimizer.schedule.final training.epochs "
                + "training.update training.checkpoint_every training.keep_checkpoints training.log_every "
                + "training.stop.metric training.stop.at cluster.silos cluster.granularity cluster.placement "
                + "cluster.step_deadline cluster.give_up_after trace.first trace.every trace.detail trace.max_spans "
                + "trace.orleans",
            string.Join(' ', Walk("", RunFileSchema.Create()).Select(v => v.Path).Distinct())
        );

    [Fact]
    public void EverythingElseIsForbidden()
    {
        var schema = RunFileSchema.Create();
        Assert.False((bool)schema["additionalProperties"]!);
        Assert.False((bool)schema["properties"]!["optimizer"]!["properties"]!["schedule"]!["additionalProperties"]!);
        Assert.Equal(
            ["version", "data", "model", "optimizer", "training"],
            schema["required"]!.AsArray().Select(key => (string)key!)
        );
    }

    private static JsonNode Name => RunFileSchema.Create()["properties"]!["name"]!;

    private static string Text(decimal number) => number.ToString(CultureInfo.InvariantCulture);

    /// <summary>Whether the reader names this value of this key as wrong, in every run that has a use for it.</summary>
    private static bool IsRefused(string path, int items, string text)
    {
        var value = items == 0 ? text : $"[{string.Join(", ", Enumerable.Repeat(text, items))}]";
        var refusals = new HashSet<bool>();
        foreach (var use in Uses)
            try
            {
                RunFile.Read("r.yaml", Shortest, [use, $"{path}={value}"]);
                refusals.Add(false);
            }
            catch (DataException)
            {
                // The keys are read before the rows, which lie nowhere here.
                refusals.Add(false);
            }
            catch (RunFileException e)
                when (!e.Message.Contains("unknown key", StringComparison.Ordinal)
                    && !e.Message.Contains("is missing", StringComparison.Ordinal)
                )
            {
                var key = items == 0 ? path : $"{path}[0]";
                refusals.Add(
                    e.Message.StartsWith($"{key}: got '{text.Trim('\'')}', expected", StringComparison.Ordinal)
                        || e.Message.Contains("of version 2", StringComparison.Ordinal)
                );
            }
            catch (RunFileException)
            {
                // This run has no use for the key, or needs others besides.
            }

        return Assert.Single(refusals);
    }

    private static IEnumerable<(string Path, int Items, JsonObject Rules)> Walk(string path, JsonObject schema) =>
        schema switch
        {
            _ when schema["properties"] is JsonObject keys => keys.SelectMany(key =>
                Walk(path.Length == 0 ? key.Key : $"{path}.{key.Key}", key.Value!.AsObject())
            ),
            // As the name of a column every number is taken too.
            _ when schema["anyOf"] is JsonArray either => either
                .Where(kind => !(IsWord(either[0]!) && (string?)kind!["type"] == "integer"))
                .SelectMany(kind => Walk(path, kind!.AsObject())),
            _ when schema["items"]?["properties"] is not null => Walk($"{path}[0]", schema["items"]!.AsObject()),
            _ when schema["items"] is JsonObject item => Walk(path, item)
                .Select(v => v with { Items = (int)schema["minItems"]! }),
            _ => [(path, 0, schema)],
        };

    private static bool IsWord(JsonNode schema) => (string?)schema["type"] == "string" && schema["pattern"] is null;
}
