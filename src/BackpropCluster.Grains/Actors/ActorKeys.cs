using System.Globalization;
using BackpropCluster.Core.Protocol;
using Orleans.Runtime;

namespace BackpropCluster.Grains.Actors;

/// <summary>Grains of a run's actors. Their keys are readable, because they are what a dashboard shows; the last field
/// is the silo.</summary>
internal static class ActorKeys
{
    public const string SourceType = "source";
    public const string ShardType = "shard";
    public const string LossType = "loss";
    public const string ExchangeType = "exchange";

    /// <summary>The grain of an actor on a silo. One that is cut otherwise is another grain.</summary>
    public static IActorGrain ActorOn(this IGrainFactory grains, RunPlan plan, ActorId actor, string silo) =>
        actor.Kind switch
        {
            ActorRole.Source => grains.Actor(SourceType, $"{plan.Run}/source/{silo}"),
            ActorRole.Loss => grains.Actor(LossType, $"{plan.Run}/loss/{silo}"),
            _ => grains.ShardOn(plan.Run, plan.ShardsOf(actor.Layer)[actor.Index], silo),
        };

    /// <summary>The grain of a shard on a silo.</summary>
    public static IActorGrain ShardOn(this IGrainFactory grains, string run, ShardRange shard, string silo) =>
        grains.Actor(
            ShardType,
            string.Create(
                CultureInfo.InvariantCulture,
                $"{run}/layer-{shard.Layer}/units-{shard.First}-{shard.Last}/{shard.Index}/{silo}"
            )
        );

    /// <summary>The exchange of a run on a silo.</summary>
    public static IActorGrain ExchangeOn(this IGrainFactory grains, string run, string silo) =>
        grains.Actor(ExchangeType, $"{run}/exchange/{silo}");

    /// <summary>Hands a message to an actor by the call that is meant for it.</summary>
    public static void Take(this IActorGrain actor, Message message)
    {
        switch (message)
        {
            case Activations activations:
                actor.Forward(activations);
                break;
            case Deltas deltas:
                actor.Backward(deltas);
                break;
            default:
                actor.Control(message);
                break;
        }
    }

    private static IActorGrain Actor(this IGrainFactory grains, string type, string key) =>
        grains.GetGrain<IActorGrain>(GrainId.Create(type, key));

    public static string Silo(string silo) => $"silo/{silo}";

    /// <summary>The run of any key.</summary>
    public static string RunOf(string key) => key.Split('/')[0];

    /// <summary>The silo of any key.</summary>
    public static string SiloOf(string key) => key[(key.LastIndexOf('/') + 1)..];

    /// <summary>The shard of a shard's key.</summary>
    public static ActorId ShardOf(string key)
    {
        var fields = key.Split('/');
        return ActorId.Shard(
            int.Parse(fields[1].AsSpan("layer-".Length), CultureInfo.InvariantCulture),
            int.Parse(fields[3], CultureInfo.InvariantCulture)
        );
    }
}
