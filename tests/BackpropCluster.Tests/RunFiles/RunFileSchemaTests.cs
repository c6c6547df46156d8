using System.Text.Json.Nodes;
using BackpropCluster.Cli.RunFiles;

namespace BackpropCluster.Tests.RunFiles;

/// <summary>The schema knows what the reader knows: a key that only one of them has would be an error in an editor and
/// none in a run.</summary>
public class RunFileSchemaTests
{
    public static TheoryData<string, string> Groups() =>
        new()
        {
            { "", "/properties" },
            { "data:", "/properties/data/properties" },
            { "training:", "/properties/training/properties" },
            { "cluster:", "/properties/cluster/properties" },
            { "optimizer:", "/properties/optimizer/properties" },
        };

    [Theory, MemberData(nameof(Groups))]
    public void TheReadersKnownKeysAreTheSchemas(string group, string pointer)
    {
        // The reader names every key of a group when it meets one that is far from all of them.
        var text =
            group.Length == 0
                ? "version: 1\nxxxxxxxxxxxxxxxxxxxxxxxx: 1\n"
                : $"version: 1\ndata: {{ source: xor }}\nmodel: {{ layers: [ {{ units: 1, activation: tanh }} ], "
                    + $"loss: half_squared_error }}\n";
        if (group == "data:")
            text = "version: 1\ndata: { xxxxxxxxxxxxxxxxxxxxxxxx: 1 }\n";
        else if (group == "optimizer:")
            text += "training: { epochs: 1 }\noptimizer: { xxxxxxxxxxxxxxxxxxxxxxxx: 1 }\n";
        else if (group == "training:")
            text += "training: { xxxxxxxxxxxxxxxxxxxxxxxx: 1 }\n";
        else if (group == "cluster:")
            text +=
                "training: { epochs: 1 }\noptimizer: { kind: sgd, learning_rate: 1 }\ncluster: { "
                + "xxxxxxxxxxxxxxxxxxxxxxxx: 1 }\n";
        var error = Assert.Throws<RunFileException>(() => RunFile.Read("r.yaml", text, []));
        var known = error
            .Message[(error.Message.IndexOf("Known here: ", StringComparison.Ordinal) + "Known here: ".Length)..]
            .TrimEnd('.')
            .Split(", ");
        var properties = pointer
            .Split('/')
            .Skip(1)
            .Aggregate((JsonNode)RunFileSchema.Create(), (node, step) => node[step]!)
            .AsObject();
        Assert.Equal(known.Order(), properties.Select(p => p.Key).Order());
    }

    [Fact]
    public void EverythingElseIsForbidden()
    {
        var schema = RunFileSchema.Create();
        Assert.False(schema["additionalProperties"]!.GetValue<bool>());
        Assert.False(
            schema["properties"]!["optimizer"]!["properties"]!["schedule"]!["additionalProperties"]!.GetValue<bool>()
        );
        Assert.Contains(
            "cross_entropy",
            schema["properties"]!["model"]!["properties"]!["loss"]!["enum"]!
                .AsArray()
                .Select(w => w!.GetValue<string>())
        );
    }
}
