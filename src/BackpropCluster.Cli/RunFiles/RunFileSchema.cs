using System.Text.Json.Nodes;

namespace BackpropCluster.Cli.RunFiles;

/// <summary>JSON Schema of a run file (draft 2020-12), for editors: made from the words that the reader itself
/// knows.</summary>
/// <remarks>Keys, types and words; what depends on the data or on other keys only <c>config check</c> can
/// say.</remarks>
internal static class RunFileSchema
{
    public static JsonObject Create()
    {
        var schema = Group(
            ["version", "data", "model", "optimizer", "training"],
            ("version", new JsonObject { ["const"] = 1 }),
            ("name", new JsonObject { ["type"] = "string", ["pattern"] = "^[a-z0-9][a-z0-9._-]{0,63}$" }),
            ("seed", Whole(0)),
            ("data", Data()),
            (
                "model",
                Group(
                    ["layers", "loss"],
                    (
                        "layers",
                        new JsonObject
                        {
                            ["type"] = "array",
                            ["minItems"] = 1,
                            ["items"] = Layer(),
                        }
                    ),
                    ("loss", Choice(RunFiles.Words.Losses))
                )
            ),
            ("optimizer", Optimizer()),
            ("training", Training()),
            (
                "cluster",
                Group(
                    [],
                    ("silos", Whole(1, 64)),
                    ("granularity", Either(Words("neuron", "layer"), Whole(1))),
                    ("placement", Choice(RunFiles.Words.Placements)),
                    ("step_deadline", Time()),
                    ("give_up_after", Time())
                )
            ),
            (
                "trace",
                Group(
                    [],
                    ("first", Whole(0)),
                    ("every", Whole(0)),
                    ("detail", Words(TraceKeys.Words)),
                    ("max_spans", Whole(20)),
                    ("orleans", Flag())
                )
            )
        );
        schema["$schema"] = "https://json-schema.org/draft/2020-12/schema";
        schema["title"] = "BackpropCluster run file";
        return schema;
    }

    private static JsonObject Data() =>
        Group(
            ["source"],
            ("source", Choice(RunFiles.Words.Sources)),
            ("batch", Either(Words("all"), Whole(1))),
            ("microbatches", Whole(1)),
            ("shuffle", Flag()),
            ("test", Number(0)),
            ("scale", Choice(RunFiles.Words.Scalings)),
            ("images", Text()),
            ("labels", Text()),
            ("test_images", Text()),
            ("test_labels", Text()),
            ("file", Text()),
            ("header", Flag()),
            ("classes", Whole(2)),
            (
                "target",
                Either(
                    Text(),
                    Whole(0),
                    new JsonObject
                    {
                        ["type"] = "array",
                        ["minItems"] = 1,
                        ["items"] = Either(Text(), Whole(0)),
                    }
                )
            )
        );

    private static JsonObject Layer() =>
        Group(
            ["units", "activation"],
            ("units", Whole(1)),
            ("activation", Choice(RunFiles.Words.Activations)),
            ("train_bias", Flag()),
            ("init", Either(Choice(RunFiles.Words.Inits), Group(["file"], ("file", Text()))))
        );

    private static JsonObject Optimizer() =>
        Group(
            ["kind", "learning_rate"],
            ("kind", Choice(RunFiles.Words.Optimizers)),
            ("learning_rate", Number(0)),
            ("momentum", Number(0)),
            ("dampening", Number(null)),
            ("nesterov", Flag()),
            ("weight_decay", Number(0)),
            (
                "betas",
                new JsonObject
                {
                    ["type"] = "array",
                    ["minItems"] = 2,
                    ["maxItems"] = 2,
                    ["items"] = Number(0),
                }
            ),
            ("eps", Number(0)),
            ("alpha", Number(0)),
            ("centered", Flag()),
            ("lr_decay", Number(0)),
            ("initial_accumulator_value", Number(0)),
            (
                "schedule",
                Group(
                    ["kind"],
                    ("kind", Choice(RunFiles.Words.Schedules)),
                    ("warm_up", Whole(0)),
                    ("every", Whole(1)),
                    ("factor", Number(0)),
                    ("over", Whole(1)),
                    ("final", Number(0))
                )
            )
        );

    private static JsonObject Training() =>
        Group(
            ["epochs"],
            ("epochs", Whole(1)),
            ("update", Choice(RunFiles.Words.Updates)),
            ("checkpoint_every", Either(Whole(1), Time())),
            ("keep_checkpoints", Either(Words("all"), Whole(1))),
            ("log_every", Whole(0)),
            ("stop", Group(["metric", "at"], ("metric", Choice(RunFiles.Words.StopMetrics)), ("at", Number(0))))
        );

    private static JsonObject Group(string[] required, params (string Key, JsonObject Value)[] keys)
    {
        var properties = new JsonObject();
        foreach (var (key, value) in keys)
            properties[key] = value;
        return new JsonObject
        {
            ["type"] = "object",
            ["additionalProperties"] = false,
            ["required"] = new JsonArray([.. required.Select(r => JsonValue.Create(r))]),
            ["properties"] = properties,
        };
    }

    private static JsonObject Choice<T>((string Word, T Value)[] words) => Words([.. words.Select(w => w.Word)]);

    private static JsonObject Words(params string[] words) =>
        new() { ["enum"] = new JsonArray([.. words.Select(w => JsonValue.Create(w))]) };

    private static JsonObject Either(params JsonObject[] schemas) => new() { ["anyOf"] = new JsonArray([.. schemas]) };

    private static JsonObject Whole(int from, int? to = null)
    {
        var schema = new JsonObject { ["type"] = "integer", ["minimum"] = from };
        if (to is not null)
            schema["maximum"] = to;
        return schema;
    }

    private static JsonObject Number(double? from)
    {
        var schema = new JsonObject { ["type"] = "number" };
        if (from is not null)
            schema["minimum"] = from;
        return schema;
    }

    private static JsonObject Text() => new() { ["type"] = "string" };

    private static JsonObject Flag() => new() { ["type"] = "boolean" };

    private static JsonObject Time() =>
        new() { ["type"] = "string", ["pattern"] = "^[0-9]+(\\.[0-9]+)?(us|ms|s|m|h)$" };
}
